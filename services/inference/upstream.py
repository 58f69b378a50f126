"""Ask engines over the OpenAI HTTP protocol, and read their answers piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import openai
from openai.types.chat import ChatCompletionChunk, ChatCompletionTokenLogprob
from openai.types.chat.chat_completion_token_logprob import TopLogprob

from services.inference.deployments import Deployment, not_ready
from services.inference.metrics import InferenceMetrics
from services.runtime.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    SishuError,
    Unavailable,
)

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
TOO_LONG = "context_length_exceeded"
TOO_SLOW = "too_slow"


@dataclass(frozen=True)
class Sampling:
    """How tokens are picked; what is None is left to the engine."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What OpenAI's own API does not know."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What it knows beside the above."""

    def as_options(self) -> dict[str, Any]:
        """As parameters of a chat completion."""
        named = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "stop": list(self.stop) or None,
        }
        given = {name: value for name, value in named.items() if value is not None} | dict(self.options)
        return {**given, "extra_body": dict(self.extra)} if self.extra else given


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class ToolCall:
    """A call that a model wants made; the arguments are the JSON text of an object."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Likelihood:
    """A token's bytes with the log probability that the model gave it, and the likeliest ones."""

    token: bytes
    logprob: float
    top: tuple[Likelihood, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A part of an answer; finish reason, usage and calls are set in the last one only."""

    content: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    usage: Usage | None = None
    calls: tuple[ToolCall, ...] = ()
    likelihoods: tuple[Likelihood, ...] = ()


class Upstream:
    """The way to the engines.

    Args:
        metrics: where answers are counted.
        seconds: longest time that an answer may take.
    """

    def __init__(self, metrics: InferenceMetrics, seconds: float) -> None:
        self._metrics = metrics
        self._seconds = seconds
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._sdk: openai.AsyncOpenAI | None = None

    async def ask(
        self, deployment: Deployment, messages: Sequence[Mapping[str, Any]], sampling: Sampling
    ) -> AsyncGenerator[Piece]:
        """Stream an answer; closing the iterator closes the connection, and with it the engine's work.

        Raises:
            FailedPrecondition: the deployment is not READY.
            InvalidArgument: the engine refuses the request.
            ResourceExhausted: the engine's queue is full.
            Unavailable: the engine ended, or failed.
            DeadlineExceeded: the answer took too long.
        """
        if deployment.state != "ready":
            raise not_ready(deployment)
        started = time.monotonic()
        with self._counted(), self._translated(deployment, started):
            stream = await self._client(deployment).chat.completions.create(
                model=deployment.served_model_name,
                # The SDK wants its own classes; what goes over the wire is the same.
                messages=cast(Any, messages),
                stream=True,
                stream_options={"include_usage": True},
                **sampling.as_options(),
            )
            async with stream:
                async for piece in self._pieces(stream, deployment, started):
                    yield piece

    async def idle(self, seconds: float) -> bool:
        """Whether no answer is being read any more, waiting up to `seconds` for it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        return self._idle.is_set()

    async def close(self) -> None:
        """Close the connections."""
        if self._sdk is not None:
            await self._sdk.close()
            self._sdk = None

    def _client(self, deployment: Deployment) -> openai.AsyncOpenAI:
        """An SDK client for the deployment; all of them share one set of connections, made at first use."""
        if self._sdk is None:
            self._sdk = openai.AsyncOpenAI(
                base_url=deployment.base_url,
                api_key="none",
                max_retries=0,
                timeout=self._seconds,
                # Engines are on this machine, so a proxy from the environment is none for them.
                http_client=openai.DefaultAioHttpClient(trust_env=False),
            )
        return self._sdk.with_options(base_url=deployment.base_url)

    async def _pieces(
        self, stream: openai.AsyncStream[ChatCompletionChunk], deployment: Deployment, started: float
    ) -> AsyncIterator[Piece]:
        finish_reason, usage, first = "", None, True
        calls = CallsReader()
        async for chunk in stream:
            if time.monotonic() > started + self._seconds:
                raise too_slow(deployment, self._seconds)
            usage = usage_of(chunk) or usage
            calls.push(chunk)
            piece, reason = piece_of(chunk)
            finish_reason = reason or finish_reason
            if piece and first:
                self._metrics.first_token_seconds.observe(time.monotonic() - started)
                first = False
            if piece:
                yield piece
        if not finish_reason:
            raise engine_lost(deployment)
        self._count_tokens(usage)
        yield Piece(finish_reason=finish_reason, usage=usage, calls=calls.all())

    def _count_tokens(self, usage: Usage | None) -> None:
        if usage:
            self._metrics.chat_tokens.labels("prompt").inc(usage.prompt_tokens)
            self._metrics.chat_tokens.labels("completion").inc(usage.completion_tokens)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._in_flight += 1
        self._idle.clear()
        outcome = "done"
        try:
            yield
        except Exception:
            outcome = "failed"
            raise
        except BaseException:
            # CancelledError and GeneratorExit: the caller went away.
            outcome = "cancelled"
            raise
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
            self._metrics.chat_requests.labels(outcome).inc()

    @contextlib.contextmanager
    def _translated(self, deployment: Deployment, started: float) -> Iterator[None]:
        try:
            yield
        except (openai.APIConnectionError, OSError) as error:
            # The SDK's transport calls a lost connection a time-out too, so the clock decides.
            if time.monotonic() >= started + self._seconds:
                raise too_slow(deployment, self._seconds) from error
            raise engine_lost(deployment) from error
        except openai.APIError as error:
            status = error.status_code if isinstance(error, openai.APIStatusError) else 0
            raise refusal(deployment, status, error.code or "", error.message) from error


def usage_of(chunk: ChatCompletionChunk) -> Usage | None:
    """The usage that a chunk carries."""
    return Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens) if chunk.usage else None


def piece_of(chunk: ChatCompletionChunk) -> tuple[Piece | None, str]:
    """What a chunk adds to the answer, and why the model stopped if it did."""
    if not chunk.choices:
        return None, ""
    choice = chunk.choices[0]
    reason = choice.finish_reason or ""
    extra = choice.delta.model_extra or {}
    # vLLM's name, and the one that others took up: the SDK knows neither.
    reasoning = clean(extra.get("reasoning_content") or extra.get("reasoning") or "")
    content = clean(choice.delta.content or "")
    told = choice.logprobs.content if choice.logprobs else None
    likelihoods = tuple(map(likelihood, told or ()))
    piece = (
        Piece(content, reasoning, likelihoods=likelihoods) if content or reasoning or likelihoods else None
    )
    return piece, reason if reason in FINISH_REASONS or not reason else "stop"


def likelihood(told: ChatCompletionTokenLogprob | TopLogprob) -> Likelihood:
    """A token's likelihood as an engine tells it; one that tells no bytes tells the text."""
    raw = told.token.encode("utf-8", "replace") if told.bytes is None else bytes(told.bytes)
    top = told.top_logprobs if isinstance(told, ChatCompletionTokenLogprob) else []
    return Likelihood(raw, told.logprob, tuple(map(likelihood, top)))


class CallsReader:
    """Puts tool calls together, which servers may send in fragments."""

    def __init__(self) -> None:
        self._found: dict[int, list[str]] = {}

    def push(self, chunk: ChatCompletionChunk) -> None:
        """Take the fragments of a chunk in."""
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                found = self._found.setdefault(call.index, ["", "", ""])
                found[0] = call.id or found[0]
                if call.function:
                    found[1] += call.function.name or ""
                    found[2] += call.function.arguments or ""

    def all(self) -> tuple[ToolCall, ...]:
        """The calls, in the model's order."""
        return tuple(ToolCall(*map(clean, self._found[index])) for index in sorted(self._found))


def clean(text: str) -> str:
    """Text that protobuf and Postgres can hold: both refuse halves of surrogate pairs, Postgres also NUL."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def refusal(deployment: Deployment, status: int, code: str, message: str) -> SishuError:
    """Our error for what an engine answered; in the middle of an answer there is no status but 0."""
    if code == TOO_SLOW:
        status = 504
    if code == TOO_LONG:
        return InvalidArgument("CONTEXT_TOO_LONG", message, "messages", deployment_id=deployment.id)
    match status:
        case 429:
            return ResourceExhausted(
                "DEPLOYMENT_BUSY",
                f"deployment {deployment.id} has too many requests in its queue; try again later",
                deployment_id=deployment.id,
            )
        case 413:
            return InvalidArgument(
                "CONTEXT_TOO_LONG", "the conversation is larger than the model's server takes", "messages"
            )
        case 400 | 422:
            return InvalidArgument(
                "CHAT_REFUSED", f"the model's server refuses the request: {message}", "messages"
            )
        case 404:
            return FailedPrecondition(
                "DEPLOYMENT_NOT_READY", f"the model's server has no such model: {message}"
            )
        case 408 | 504:
            return DeadlineExceeded("ANSWER_TIMED_OUT", f"the model's server gave up: {message}")
        case _:
            return Unavailable(
                "ENGINE_FAILED", f"the model's server failed: {message}; see the deployment's log"
            )


def engine_lost(deployment: Deployment) -> Unavailable:
    """The error for an engine that ended in the middle."""
    return Unavailable(
        "ENGINE_LOST",
        f"the engine of deployment {deployment.id} ended before the answer did; it is being started again",
        deployment_id=deployment.id,
    )


def too_slow(deployment: Deployment, seconds: float) -> DeadlineExceeded:
    """The error for an answer that takes too long."""
    return DeadlineExceeded(
        "ANSWER_TIMED_OUT",
        f"deployment {deployment.id} did not end its answer within {seconds:.0f} s; ask for fewer tokens",
        deployment_id=deployment.id,
    )
