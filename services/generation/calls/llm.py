"""Ask language models for JSON, until it validates.

Structured output is asked for as JSON schema; a server that refuses that is asked in JSON mode, then in
plain text, and what it never takes is not tried any more. Output that does not validate is asked for again
with the error, at most twice. Nothing unvalidated comes out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import structlog

from services.generation.calls.chain import Chain, stopped
from services.generation.calls.gate import Gate
from services.generation.calls.left_out import FAILURES, LeftOut, NotNow
from services.generation.calls.modes import MODES, PLAIN_TEXT, Habits, Server, is_about_json, response_format
from services.generation.calls.output import OutputInvalid
from services.generation.calls.provider_errors import TURNED_AWAY, may_be_paid, provider_error, words_of
from services.generation.calls.replies import Reply, Usage, usage_of, with_usage
from services.generation.calls.transport import REFUSALS, Transport
from services.generation.metrics import GenerationMetrics
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Endpoint
from services.runtime.errors import SishuError

T = TypeVar("T")

log = structlog.get_logger()


Opening = Callable[[Chain[Any]], Awaitable[Reply | None]]
"""Gives the first reply of a chain that is already there, or nothing."""


class Memory(Protocol):
    """What is remembered of servers."""

    async def recall(self, endpoint: Endpoint) -> Habits:
        """What is known of a server."""

    async def remember(self, endpoint: Endpoint, habits: Habits) -> None:
        """What turned out about a server."""


MOST_SERVERS = 1000
"""More endpoints than a process asks in its life; of more, those first asked are forgotten."""


@dataclass(frozen=True)
class Completion(Generic[T]):
    """A validated answer of a model and what it cost, re-asks included."""

    value: T
    reasoning: str
    model: str
    parameters: Mapping[str, Any]
    usage: Usage


class Llm:
    """Asks, by a transport.

    Args:
        transport: makes the calls.
        gate: lets them begin.
        memory: what is known of servers; a failure of it spoils no call.
        metrics: where calls and tokens are counted.
    """

    def __init__(self, transport: Transport, gate: Gate, memory: Memory, metrics: GenerationMetrics) -> None:
        self.transport = transport
        self._gate = gate
        self._memory = memory
        self._metrics = metrics
        self._servers: dict[str, Server] = {}
        self._left_out = LeftOut()

    def know(self, endpoint: Endpoint, habits: Habits) -> None:
        """Take over what is known of a server, such as from before a restart, in place of what was."""
        self._servers.pop(endpoint.id, None)
        if len(self._servers) >= MOST_SERVERS:
            self._servers.pop(next(iter(self._servers)))
        self._servers[endpoint.id] = Server(habits)

    async def ask(
        self,
        endpoints: Sequence[Endpoint],
        prompt: Prompt,
        schema: Mapping[str, Any],
        parse: Callable[[Any], T],
        sampling: Mapping[str, Any],
        before: Callable[[Chain[T]], Awaitable[None]] | None = None,
        opening: Opening | None = None,
    ) -> Completion[T]:
        """Ask for JSON of a schema until it validates.

        Args:
            endpoints: where to ask, all for the same model; the one with the most room is asked, and another
                where it refuses the key, wants money, or gives no answers.
            prompt: what to ask.
            schema: JSON schema of the answer.
            parse: turns decoded JSON into the value; raises `OutputInvalid` to have it asked for again.
            sampling: parameters, sent as given.
            before: is waited for before each call; what it raises is raised.
            opening: gives the first reply where it was had otherwise, as by a batch.

        Raises:
            FailedPrecondition: all refuse the key or want money, one refuses the request, or the output never
                validated.
            NotFound: the server has no such model.
            Unavailable, ResourceExhausted, DeadlineExceeded: it may work later.
        """
        chain = Chain(prompt, schema, parse)
        reply = None
        while True:
            try:
                if before:
                    await before(chain)
                reply = await self._opened(chain, endpoints, opening) or await self._reply(
                    chain, endpoints, sampling
                )
            except SishuError as error:
                before_it, chain.usage = chain.usage, chain.usage + usage_of(error)
                found = chain.partial()
                if reply is None or found is None:
                    raise with_usage(error, before_it) from error.__cause__
                log.info("rest_not_had", reason=error.reason, error=error.message)
                return Completion(found, reply.reasoning, reply.model, dict(sampling), chain.usage)
            try:
                value = chain.read(reply)
            except OutputInvalid:
                self._metrics.invalid_outputs.inc()
                if not chain.ended:
                    continue
                found = chain.partial()
                if found is None:
                    raise with_usage(
                        chain.failure(chain.asked or endpoints[0], sampling), chain.usage
                    ) from None
                value = found
            if chain.salvaged:
                self._metrics.salvaged_outputs.inc()
            return Completion(value, reply.reasoning, reply.model, dict(sampling), chain.usage)

    async def body(
        self,
        endpoint: Endpoint,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
    ) -> dict[str, Any]:
        """What is sent to have JSON of a schema, in the way that the server is known to take."""
        # Who hands all in by batches makes no calls, and hears nothing at the gate.
        form = response_format(MODES[(await self._recall(endpoint)).mode], schema)
        return {"model": endpoint.model, "messages": list(messages), **form, **sampling}

    async def _opened(
        self, chain: Chain[Any], endpoints: Sequence[Endpoint], opening: Opening | None
    ) -> Reply | None:
        reply = await opening(chain) if opening and not chain.usage.calls else None
        final = stopped(reply, endpoints[0]) if reply else None
        if reply and final:
            raise with_usage(final, reply.usage)
        return reply

    async def _reply(
        self, chain: Chain[Any], endpoints: Sequence[Endpoint], sampling: Mapping[str, Any]
    ) -> Reply:
        """The next reply, by one of those that do not turn the caller away."""
        left, since = self._left_out.rest_of(endpoints), self._left_out.clock()
        while True:
            try:
                return await self._gate.run(
                    left,
                    partial(self._complete, chain=chain, sampling=sampling, among=left, since=since),
                    # What is paid would be paid anew.
                    stops=not chain.usage.calls,
                )
            except NotNow:
                left = others(left, chain)
            except SishuError as error:
                left = others(left, chain)
                if error.reason not in TURNED_AWAY or not left:
                    raise

    async def _complete(
        self,
        endpoint: Endpoint,
        chain: Chain[Any],
        sampling: Mapping[str, Any],
        among: Sequence[Endpoint],
        since: float,
    ) -> Reply:
        chain.asked = endpoint
        self._left_out.check(endpoint, among, since)
        server, began = await self._server(endpoint), self._left_out.clock()
        try:
            reply = await self._in_some_mode(endpoint, server, chain, sampling)
            self._left_out.answered(endpoint, began)
            return reply
        except SishuError as error:
            if error.reason in TURNED_AWAY:
                self._left_out.refused(endpoint, error)
            elif error.reason in FAILURES:
                self._left_out.failed(endpoint, error)
            raise
        finally:
            if server.told != server.habits:
                server.told = server.habits
                await self._tell(endpoint, server.habits)

    async def _in_some_mode(
        self,
        endpoint: Endpoint,
        server: Server,
        chain: Chain[Any],
        sampling: Mapping[str, Any],
    ) -> Reply:
        mode = MODES.index("text") if chain.schema == PLAIN_TEXT else server.mode
        while True:
            form = response_format(MODES[mode], chain.schema)
            try:
                answer = await self._call(endpoint, server, chain, {**form, **sampling})
            except REFUSALS as error:
                if mode + 1 == len(MODES) or not is_about_json(words_of(error)):
                    raise provider_error(error, endpoint) from error
                server.refused(mode)
                log.info(
                    "output_mode_refused", base_url=endpoint.base_url, model=endpoint.model, mode=MODES[mode]
                )
                mode += 1
            else:
                server.taken(mode)
                return answer

    async def _call(
        self,
        endpoint: Endpoint,
        server: Server,
        chain: Chain[Any],
        parameters: Mapping[str, Any],
    ) -> Reply:
        """One call, streamed where the provider wants that, or leaves it to us and the server is slow."""
        stream = endpoint.streaming == "always" or (endpoint.streaming == "auto" and server.streams)
        started = time.monotonic()
        try:
            answer = await self._counted(endpoint, chain.messages, parameters, stream=stream)
        except asyncio.CancelledError:
            # The item was stopped; the server may have begun, as below.
            chain.usage += Usage(calls=1, seconds=time.monotonic() - started)
            raise
        except SishuError as error:
            if error.reason == "PROVIDER_TIMED_OUT":
                server.timed_out()
            if may_be_paid(error.__cause__):
                with_usage(error, Usage(calls=1, seconds=time.monotonic() - started))
            raise
        if not stream:
            server.took(answer.usage.seconds)
        answer = replace(answer, usage=priced(answer.usage, endpoint))
        final = stopped(answer, endpoint)
        if final:
            raise with_usage(final, answer.usage)
        return answer

    async def _counted(
        self,
        endpoint: Endpoint,
        messages: Sequence[Mapping[str, str]],
        parameters: Mapping[str, Any],
        *,
        stream: bool,
    ) -> Reply:
        with self._metrics.call() as outcome:
            try:
                answer = await self.transport.complete(endpoint, messages, parameters, stream=stream)
            except REFUSALS:
                outcome.set("refused")
                raise
            except SishuError as error:
                outcome.set(error.reason.lower())
                raise
        self._metrics.prompt_tokens.inc(answer.usage.prompt_tokens)
        self._metrics.completion_tokens.inc(answer.usage.completion_tokens)
        return answer

    async def _server(self, endpoint: Endpoint) -> Server:
        if endpoint.id not in self._servers:
            self.know(endpoint, await self._recall(endpoint))
        server = self._servers[endpoint.id]
        news = self._gate.habits(endpoint)
        if news:
            server.heard(news)
        return server

    async def _recall(self, endpoint: Endpoint) -> Habits:
        try:
            return await self._memory.recall(endpoint)
        except Exception as error:
            log.warning("habits_not_recalled", base_url=endpoint.base_url, error=repr(error))
            return Habits()

    async def _tell(self, endpoint: Endpoint, habits: Habits) -> None:
        try:
            await self._memory.remember(endpoint, habits)
        except Exception as error:
            # It holds in this process, and the next one learns it anew.
            log.warning("habits_not_remembered", base_url=endpoint.base_url, error=repr(error))


def others(endpoints: Sequence[Endpoint], chain: Chain[Any]) -> list[Endpoint]:
    """The endpoints but for the one that was asked last."""
    return [one for one in endpoints if chain.asked and one.id != chain.asked.id]


def priced(usage: Usage, endpoint: Endpoint) -> Usage:
    """The usage, with what it costs at an endpoint now."""
    if endpoint.price is None:
        return usage
    return replace(usage, cost=endpoint.price.of(usage.prompt_tokens, usage.completion_tokens))
