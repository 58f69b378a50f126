"""Calls to language models over the OpenAI protocol, with validated output.

Structured output is asked for as JSON schema; a server that refuses that is asked in JSON mode, then in
plain text, and what it never takes is not tried any more. Output that does not validate is asked for again
with the error, at most twice. Nothing unvalidated comes out.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import json_repair
import openai
import structlog
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai.types.chat import ChatCompletion

from services.generation.metrics import GenerationMetrics
from services.generation.prompts import Prompt
from services.generation.provider_errors import provider_error
from services.generation.providers import Endpoint
from services.runtime.errors import FailedPrecondition, SishuError

T = TypeVar("T")

log = structlog.get_logger()

MOST_ASKS = 3
MOST_REFUSALS = 3
MODES = ("json_schema", "json_object", "text")
CONNECT_SECONDS = 10.0
LIST_SECONDS = 5.0
MOST_CLIENTS = 64
"""More endpoints than a process asks at once; those of restarted deployments and changed keys go."""
REFUSALS = (openai.BadRequestError, openai.UnprocessableEntityError)
"""What a server answers that does not take a request as it is."""
FENCE = re.compile(r"```(?:json)?\s*(.*?)(?:```|\Z)", re.DOTALL)


class OutputInvalid(ValueError):
    """The model's output is not what was asked for; the message is told to the model."""


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


@dataclass
class Client:
    """The SDK's client of an endpoint, and how many calls it has in progress."""

    sdk: AsyncOpenAI
    calls: int = 0


class Modes:
    """What a server takes: a mode that it refused three times and never took is not tried first any more.

    One refusal says little: it may be about one schema, and the next one is fine.
    """

    def __init__(self) -> None:
        self.first = 0
        self._taken: set[int] = set()
        self._refusals: Counter[int] = Counter()

    def taken(self, mode: int) -> None:
        """Note that the server answered in a mode."""
        self._taken.add(mode)

    def refused(self, mode: int) -> None:
        """Note that the server refused a mode."""
        self._refusals[mode] += 1
        if self._refusals[mode] >= MOST_REFUSALS and mode not in self._taken:
            self.first = max(self.first, mode + 1)


class Llm:
    """The clients of all endpoints of a process.

    Args:
        seconds: longest time of one call, from request to whole answer.
        metrics: where calls and tokens are counted.
        connect_seconds: longest time until a server takes the connection.
        most_clients: endpoints whose connections are kept while nobody uses them.
    """

    def __init__(
        self,
        seconds: float,
        metrics: GenerationMetrics,
        connect_seconds: float = CONNECT_SECONDS,
        most_clients: int = MOST_CLIENTS,
    ) -> None:
        self._seconds = seconds
        self._timeout = openai.Timeout(seconds, connect=min(seconds, connect_seconds))
        self._most_clients = most_clients
        self._metrics = metrics
        self._clients: OrderedDict[Endpoint, Client] = OrderedDict()
        self._modes: dict[Endpoint, Modes] = {}

    async def close(self) -> None:
        """Close every connection."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.sdk.close()

    async def models(self, endpoint: Endpoint) -> list[str]:
        """The models that a server lists; none where the list fails in whatever way, as many have none."""
        try:
            async with asyncio.timeout(LIST_SECONDS), self._client(endpoint) as sdk:
                listed = await sdk.models.list()
                return sorted({model.id for model in listed.data if isinstance(model.id, str)})
        except Exception:
            return []

    @asynccontextmanager
    async def _client(self, endpoint: Endpoint) -> AsyncIterator[AsyncOpenAI]:
        """The client of an endpoint, made at first use; of too many, those idle for longest are closed."""
        if endpoint not in self._clients:
            self._clients[endpoint] = Client(self._made(endpoint))
        client = self._clients[endpoint]
        self._clients.move_to_end(endpoint)
        client.calls += 1
        try:
            yield client.sdk
        finally:
            client.calls -= 1
            await self._shrink()

    def _made(self, endpoint: Endpoint) -> AsyncOpenAI:
        return AsyncOpenAI(
            base_url=endpoint.base_url,
            # The SDK refuses an empty key; a server that needs none ignores this one.
            api_key=endpoint.api_key or "none",
            max_retries=0,
            timeout=self._timeout,
            http_client=DefaultAioHttpClient(timeout=self._timeout),
        )

    async def _shrink(self) -> None:
        surplus = len(self._clients) - self._most_clients
        if surplus > 0:
            idle = [endpoint for endpoint, client in self._clients.items() if not client.calls]
            # All at once, before anybody else can look.
            popped = [self._clients.pop(endpoint) for endpoint in idle[:surplus]]
            for endpoint in idle[:surplus]:
                self._modes.pop(endpoint, None)
            for client in popped:
                await client.sdk.close()

    async def create(
        self, endpoint: Endpoint, messages: Sequence[Mapping[str, str]], **parameters: Any
    ) -> ChatCompletion:
        """One call, whatever comes back.

        Raises:
            openai.BadRequestError, openai.UnprocessableEntityError: the server refuses the request.
            SishuError: what `provider_error` makes of any other failure.
        """
        body = {"model": endpoint.model, "messages": messages, **parameters}
        try:
            # The SDK's timeout begins anew with every byte, such as the blanks that keep a connection open.
            async with asyncio.timeout(self._seconds), self._client(endpoint) as sdk:
                # Not `chat.completions.create`: it walks the messages for types, at a third of a call's
                # CPU time.
                answer: object = await sdk.post("/chat/completions", cast_to=ChatCompletion, body=body)
        except REFUSALS:
            raise
        except (openai.OpenAIError, ValueError, TimeoutError) as error:
            raise provider_error(error, endpoint) from error
        # The SDK hands on what it cannot read, such as the page of a web server.
        if not isinstance(answer, ChatCompletion):
            raise provider_error(TypeError(), endpoint)
        return answer

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
            count_tokens(tokens, answer)
            text, reasoning = content_of(answer)
            try:
                value = parse(decode(text))
            except OutputInvalid as invalid:
                error = str(invalid)
                self._metrics.invalid_outputs.inc()
                messages = [*prompt.messages(), *correction(text, error)]
                continue
            seconds = time.monotonic() - started
            return Completion(
                value, reasoning, answer.model, dict(sampling), tokens[0], tokens[1], calls, seconds
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
    ) -> ChatCompletion:
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
    ) -> ChatCompletion:
        with self._metrics.call() as outcome:
            try:
                answer = await self.create(endpoint, messages, **form, **sampling)
            except REFUSALS:
                outcome.set("refused")
                raise
            except SishuError as error:
                outcome.set(error.reason.lower())
                raise
        if answer.usage:
            self._metrics.tokens.labels("prompt").inc(answer.usage.prompt_tokens)
            self._metrics.tokens.labels("completion").inc(answer.usage.completion_tokens)
        return answer


def response_format(mode: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The request field that asks for JSON, by what the server takes."""
    if mode == "json_schema":
        named = {"name": "answer", "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    return {"response_format": {"type": "json_object"}} if mode == "json_object" else {}


def content_of(answer: ChatCompletion) -> tuple[str, str]:
    """Text and reasoning of an answer; a server may send reasoning apart or inside `<think>`."""
    # The SDK does not validate: any part of a foreign server's answer may be missing.
    if not answer.choices or not answer.choices[0].message:
        return "", ""
    message = answer.choices[0].message
    reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    thoughts, text = split_thoughts(message.content or "")
    return text, str(reasoning or thoughts).strip()


def split_thoughts(text: str) -> tuple[str, str]:
    """What stands inside `<think>`, and what follows; a chat template may write the opening mark."""
    thoughts, closed, rest = text.rpartition("</think>")
    if not closed:
        rest, _, thoughts = text.partition("<think>")
    return thoughts.replace("<think>", "").strip(), rest.strip()


def decode(text: str) -> Any:
    """JSON out of a text: alone, in a code fence, with words around it, or cut off.

    Raises:
        OutputInvalid: the text holds no JSON.
    """
    fenced = FENCE.search(text)
    body = fenced.group(1) if fenced else text
    # The whole text first: a fence may stand inside one of its strings.
    for whole in (text, body):
        with suppress(ValueError):
            return json.loads(whole)
    start = min((place for place in (body.find("{"), body.find("[")) if place >= 0), default=-1)
    if start < 0:
        raise OutputInvalid("the answer holds no JSON")
    return json_repair.loads(body[start:])


def correction(text: str, error: str) -> list[dict[str, str]]:
    """The turns that ask again."""
    return [
        {"role": "assistant", "content": text[:2000]},
        {"role": "user", "content": f"That is not valid: {error}. Answer again, with JSON only."},
    ]


def count_tokens(tokens: list[int], answer: ChatCompletion) -> None:
    """Add an answer's usage to [prompt, completion]."""
    if answer.usage:
        tokens[0] += answer.usage.prompt_tokens
        tokens[1] += answer.usage.completion_tokens
