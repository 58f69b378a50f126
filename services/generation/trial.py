"""Try a provider with one small call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from services.generation.calls.endpoints import Endpoints
from services.generation.calls.provider_errors import provider_error
from services.generation.calls.transport import REFUSALS, Transport
from services.generation.providers import Endpoint, Provider
from services.runtime.errors import DeadlineExceeded, SishuError
from services.runtime.faults import as_sishu_error
from services.runtime.jobs import Failure
from sishu.errors import ApiError

TRIAL_SECONDS = 30.0
"""Together with the list of models well within the deadline of a client's call."""


@dataclass(frozen=True)
class TrialReport:
    """Whether a provider works: it does without a failure."""

    failure: Failure | None
    seconds: float
    models: Sequence[str]


class Trial:
    """Makes the call, which may take so many seconds."""

    def __init__(self, transport: Transport, endpoints: Endpoints, seconds: float = TRIAL_SECONDS) -> None:
        self._transport = transport
        self._endpoints = endpoints
        self._seconds = seconds

    async def run(self, provider: Provider) -> TrialReport:
        """Ask the model for a word; a failure is an answer."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                endpoint = (await self._endpoints.find(provider))[0]
                await self._ask(endpoint)
        except TimeoutError:
            error: SishuError = DeadlineExceeded(
                "PROVIDER_TIMED_OUT", f"the provider did not answer within {self._seconds:g} s"
            )
        except (SishuError, ApiError) as raised:
            error = as_sishu_error(raised)
        else:
            seconds = time.monotonic() - started
            return TrialReport(None, seconds, await self._transport.models(endpoint))
        return TrialReport(Failure.of(error), time.monotonic() - started, [])

    async def _ask(self, endpoint: Endpoint) -> None:
        question = {"role": "user", "content": "Say yes."}
        try:
            await self._transport.complete(endpoint, [question], {"max_tokens": 4})
        except REFUSALS as error:
            raise provider_error(error, endpoint) from error
