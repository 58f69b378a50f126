"""Try a provider with one small call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import openai

from services.generation.endpoints import Endpoints
from services.generation.llm import REFUSALS, Llm
from services.generation.provider_errors import provider_error
from services.generation.providers import Endpoint, Provider
from services.runtime.errors import DeadlineExceeded, SishuError
from services.runtime.jobs import Failure

TRIAL_SECONDS = 60.0


@dataclass(frozen=True)
class TrialReport:
    """Whether a provider works: it does without a failure."""

    failure: Failure | None
    seconds: float
    models: Sequence[str]


class Trial:
    """Makes the call."""

    def __init__(self, llm: Llm, endpoints: Endpoints) -> None:
        self._llm = llm
        self._endpoints = endpoints

    async def run(self, provider: Provider) -> TrialReport:
        """Ask the model for a word; a failure is an answer."""
        started = time.monotonic()
        try:
            endpoint = await self._endpoints.find(provider)
            await self._ask(endpoint)
        except SishuError as error:
            return TrialReport(Failure.of(error), time.monotonic() - started, [])
        seconds = time.monotonic() - started
        return TrialReport(None, seconds, await self._models(endpoint))

    async def _ask(self, endpoint: Endpoint) -> None:
        question = {"role": "user", "content": "Say yes."}
        try:
            async with asyncio.timeout(TRIAL_SECONDS):
                await self._llm.create(endpoint, [question], max_tokens=4)
        except TimeoutError:
            raise DeadlineExceeded(
                "PROVIDER_TIMED_OUT", f"{endpoint.base_url} did not answer within {TRIAL_SECONDS:.0f} s"
            ) from None
        except REFUSALS as error:
            raise provider_error(error, endpoint) from error

    async def _models(self, endpoint: Endpoint) -> list[str]:
        try:
            page = await self._llm.client(endpoint).models.list(timeout=TRIAL_SECONDS)
        except openai.OpenAIError:
            # Many servers list no models; that alone is no failure.
            return []
        return sorted(model.id for model in page.data)
