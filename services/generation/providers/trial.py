"""Try a provider with a few small calls: what works, and how fast.

They go through the gate, before the calls of items: a trial keeps the limits that hold for all, and waits
neither behind what is queued nor for long.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from services.generation.calls.chain import stopped, textless
from services.generation.calls.endpoints import Endpoints, FindProviders, no_members
from services.generation.calls.gate import Gate
from services.generation.calls.llm import Memory
from services.generation.calls.modes import MODES, response_format
from services.generation.calls.provider_errors import provider_error
from services.generation.calls.replies import THINK, Reply, block_end
from services.generation.calls.transport import REFUSALS, Transport
from services.generation.providers.providers import Endpoint, Provider
from services.generation.questions.writing import strict_object
from services.runtime.errors import DeadlineExceeded, SishuError
from services.runtime.failures import Failure
from services.runtime.faults import as_sishu_error
from sishu.errors import ApiError

TRIAL_SECONDS = 120.0
"""Longest trial; a local server may load its model first."""
ROOM_SECONDS = 15.0
"""Longest wait for room to make a call: each that ends leaves some, and a minute's rate comes evenly."""
ANSWER_SECONDS = 5.0
"""Left of the caller's deadline, for the answer to reach him."""
MEANINGFUL_SECONDS = 0.1
"""Pieces that come closer together were written before and held back."""
SHORTEST_SECONDS = 1e-6

CHAT = "Count from 1 to 20, in figures."
QUESTION = "What is the capital of France? Answer in JSON."
KEY = "seat_of_government"
"""A name that no model gives the answer unless a schema makes it do so."""
SCHEMA = strict_object({KEY: {"type": "string"}})


@dataclass(frozen=True)
class TrialReport:
    """What a trial showed.

    Args:
        failure: why no model answered; nothing where one did.
        seconds: time from request to whole answer.
        first_seconds: time to the first piece of a streamed answer; 0 where it came whole.
        models: models that the server lists.
        output_mode: how it is asked for JSON, of `MODES`; empty where that could not be found out.
        reasons: whether the model thinks before it answers.
        tokens_per_second: tokens a second of one answer; 0 where the server does not count them.
        members: the reports of a pool's members.
    """

    failure: Failure | None = None
    seconds: float = 0.0
    first_seconds: float = 0.0
    models: Sequence[str] = ()
    output_mode: str = ""
    reasons: bool = False
    tokens_per_second: float = 0.0
    members: Sequence[TrialReport] = ()


class Trial:
    """Makes the calls.

    Args:
        transport: makes each one.
        gate: lets them begin.
        endpoints: finds where.
        find_providers: finds the members of pools.
        memory: keeps what was learned.
    """

    def __init__(
        self,
        transport: Transport,
        gate: Gate,
        endpoints: Endpoints,
        find_providers: FindProviders,
        memory: Memory,
    ) -> None:
        self._transport = transport
        self._gate = gate
        self._endpoints = endpoints
        self._find_providers = find_providers
        self._memory = memory

    async def run(self, provider: Provider, seconds: float | None = None) -> TrialReport:
        """Try a provider, or each member of a pool; a failure is an answer.

        Args:
            provider: what to try.
            seconds: time until the caller wants to know; nothing where he waits.
        """
        within = TRIAL_SECONDS
        if seconds is not None:
            within = min(within, max(seconds - ANSWER_SECONDS, seconds / 2))
        if not provider.pool_ids:
            return await self._try(provider, provider.sampling, within)
        members = await self._find_providers(provider.pool_ids)
        tried = (self._try(member, provider.sampling, within) for member in members)
        return pool_report(provider, await asyncio.gather(*tried))

    async def _try(self, provider: Provider, sampling: Mapping[str, Any], seconds: float) -> TrialReport:
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds / 2):
                endpoint = await self._endpoints.find_one(provider)
                reply = await self._chat(endpoint, sampling, min(ROOM_SECONDS, seconds / 4))
        except TimeoutError:
            error: SishuError = DeadlineExceeded(
                "PROVIDER_TIMED_OUT",
                f"the provider did not answer within {seconds / 2:g} s",
                seconds=f"{seconds / 2:g}",
            )
        except (SishuError, ApiError) as raised:
            error = as_sishu_error(raised)
        else:
            left = seconds - (time.monotonic() - started)
            return await self._rest(endpoint, sampling, report_of(reply), left)
        return TrialReport(Failure.of(error), time.monotonic() - started)

    async def _chat(self, endpoint: Endpoint, sampling: Mapping[str, Any], room_seconds: float) -> Reply:
        stream = endpoint.streaming != "never"
        call = partial(self._transport.complete, messages=asked(CHAT), parameters=sampling, stream=stream)
        try:
            reply = await self._gate.run_urgent(endpoint, call, room_seconds)
        except REFUSALS as error:
            raise provider_error(error, endpoint) from error
        failure = stopped(reply, endpoint) or (None if reply.text else textless(reply, endpoint))
        if failure:
            raise failure
        return reply

    async def _rest(
        self, endpoint: Endpoint, sampling: Mapping[str, Any], report: TrialReport, seconds: float
    ) -> TrialReport:
        """What there is to know of a server that works."""
        models, (mode, reasons) = await asyncio.gather(
            self._transport.models(endpoint), self._mode(endpoint, sampling, seconds)
        )
        if mode is not None:
            habits = await self._memory.recall(endpoint)
            await self._memory.remember(endpoint, replace(habits, mode=mode))
        return replace(
            report,
            models=models,
            output_mode="" if mode is None else MODES[mode],
            reasons=report.reasons or reasons,
        )

    async def _mode(
        self, endpoint: Endpoint, sampling: Mapping[str, Any], seconds: float
    ) -> tuple[int | None, bool]:
        """The best mode in which the server gives JSON, none if it fails, and whether the model thought."""
        reasons = False
        try:
            async with asyncio.timeout(seconds):
                for mode in range(len(MODES) - 1):
                    reply = await self._json(endpoint, sampling, MODES[mode])
                    reasons = reasons or bool(reply and reply.reasoning)
                    if reply and keeps(MODES[mode], reply.text):
                        return mode, reasons
        except (SishuError, TimeoutError):
            return None, reasons
        return len(MODES) - 1, reasons

    async def _json(self, endpoint: Endpoint, sampling: Mapping[str, Any], mode: str) -> Reply | None:
        """The answer in a mode; nothing where the server refuses it, which can only be for the mode."""
        parameters = {**sampling, **response_format(mode, SCHEMA)}
        stream = endpoint.streaming == "always"
        call = partial(
            self._transport.complete, messages=asked(QUESTION), parameters=parameters, stream=stream
        )
        try:
            return await self._gate.run_urgent(endpoint, call, ROOM_SECONDS)
        except REFUSALS:
            return None


def asked(question: str) -> list[dict[str, str]]:
    """The messages of a question."""
    return [{"role": "user", "content": question}]


def keeps(mode: str, text: str) -> bool:
    """Whether a text is what a mode promises; a server that does not know a mode may just ignore it."""
    try:
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return False
    if not is_thoughts(text.lstrip()[end:].strip()):
        return False
    return isinstance(value, dict) and (mode != "json_schema" or set(value) == {KEY})


def is_thoughts(text: str) -> bool:
    """Whether a text is empty but for a `<think>` block, which some servers let follow an answer."""
    mark = THINK.match(text)
    return not text or bool(mark and not mark[1] and block_end(text, 0) == len(text))


def report_of(reply: Reply) -> TrialReport:
    """What a first answer shows."""
    seconds, first = reply.usage.seconds, reply.first_seconds
    writing = seconds - first if seconds - first > MEANINGFUL_SECONDS else max(seconds, SHORTEST_SECONDS)
    return TrialReport(
        seconds=seconds,
        first_seconds=first,
        reasons=bool(reply.reasoning),
        tokens_per_second=reply.usage.completion_tokens / writing,
    )


def pool_report(pool: Provider, members: Sequence[TrialReport]) -> TrialReport:
    """A pool works while one of its members does."""
    failures = [member.failure for member in members if member.failure]
    if members and len(failures) < len(members):
        return TrialReport(members=members)
    return TrialReport(failures[0] if failures else Failure.of(no_members(pool)), members=members)
