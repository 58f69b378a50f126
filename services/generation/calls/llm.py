"""Ask language models for JSON, until it validates.

Structured output is asked for as JSON schema; a server that refuses that is asked in JSON mode, then in
plain text, and what it never takes is not tried any more. Output that does not validate is asked for again
with the error, at most twice. Nothing unvalidated comes out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from services.generation.calls.modes import MODES, Modes, response_format
from services.generation.calls.output import OutputInvalid, correction, decode
from services.generation.calls.provider_errors import provider_error
from services.generation.calls.replies import Reply
from services.generation.calls.transport import REFUSALS, Transport
from services.generation.metrics import GenerationMetrics
from services.generation.prompts import Prompt
from services.generation.providers import Endpoint
from services.runtime.errors import FailedPrecondition, SishuError

T = TypeVar("T")

log = structlog.get_logger()

MOST_ASKS = 3


@dataclass(frozen=True)
class Completion(Generic[T]):
    """A validated answer of a model and what it cost, re-asks included."""

    value: T
    reasoning: str
    model: str
    parameters: Mapping[str, Any]
    prompt_tokens: int
    completion_tokens: int
    calls: int
    seconds: float


class Llm:
    """Asks, by a transport.

    Args:
        transport: makes the calls.
        metrics: where calls and tokens are counted.
    """

    def __init__(self, transport: Transport, metrics: GenerationMetrics) -> None:
        self.transport = transport
        self._metrics = metrics
        self._modes: dict[Endpoint, Modes] = {}

    async def ask(
        self,
        endpoint: Endpoint,
        prompt: Prompt,
        schema: Mapping[str, Any],
        parse: Callable[[Any], T],
        sampling: Mapping[str, Any],
    ) -> Completion[T]:
        """Ask for JSON of a schema until it validates.

        Args:
            endpoint: where to ask.
            prompt: what to ask.
            schema: JSON schema of the answer.
            parse: turns decoded JSON into the value; raises `OutputInvalid` to have it asked for again.
            sampling: parameters, sent as given.

        Raises:
            FailedPrecondition: the server refuses the key or the request, or the output never validated.
            NotFound: the server has no such model.
            Unavailable, ResourceExhausted, DeadlineExceeded: it may work later.
        """
        messages = prompt.messages()
        tokens, started, error = [0, 0], time.monotonic(), ""
        for calls in range(1, MOST_ASKS + 1):
            answer = await self._complete(endpoint, messages, schema, sampling)
            tokens[0] += answer.prompt_tokens
            tokens[1] += answer.completion_tokens
            try:
                value = parse(decode(answer.text))
            except OutputInvalid as invalid:
                error = str(invalid)
                self._metrics.invalid_outputs.inc()
                messages = [*prompt.messages(), *correction(answer.text, error)]
                continue
            seconds = time.monotonic() - started
            return Completion(
                value, answer.reasoning, answer.model, dict(sampling), tokens[0], tokens[1], calls, seconds
            )
        raise FailedPrecondition(
            "LLM_OUTPUT_INVALID",
            f"the model {endpoint.model} gave no valid JSON in {MOST_ASKS} tries: {error}; "
            "use a stronger model or ask for less in one call",
            model=endpoint.model,
        )

    async def _complete(
        self,
        endpoint: Endpoint,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
    ) -> Reply:
        mode = self._modes[endpoint].first if endpoint in self._modes else 0
        while True:
            try:
                answer = await self._call(endpoint, messages, response_format(MODES[mode], schema), sampling)
            except REFUSALS as error:
                if mode + 1 == len(MODES) or "response_format" not in str(error):
                    raise provider_error(error, endpoint) from error
                self._modes.setdefault(endpoint, Modes()).refused(mode)
                log.info(
                    "output_mode_refused", base_url=endpoint.base_url, model=endpoint.model, mode=MODES[mode]
                )
                mode += 1
            else:
                self._modes.setdefault(endpoint, Modes()).taken(mode)
                return answer

    async def _call(
        self,
        endpoint: Endpoint,
        messages: Sequence[Mapping[str, str]],
        form: Mapping[str, Any],
        sampling: Mapping[str, Any],
    ) -> Reply:
        with self._metrics.call() as outcome:
            try:
                answer = await self.transport.complete(endpoint, messages, **form, **sampling)
            except REFUSALS:
                outcome.set("refused")
                raise
            except SishuError as error:
                outcome.set(error.reason.lower())
                raise
        self._metrics.tokens.labels("prompt").inc(answer.prompt_tokens)
        self._metrics.tokens.labels("completion").inc(answer.completion_tokens)
        return answer
