"""Answers as the OpenAI protocol writes them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.inference.engine.answer import AnswerReader, Part
from services.inference.engine.completion import Delta
from services.inference.engine.sampling import TokenLogprob
from services.inference.engine.tools import ToolCall
from services.inference.engine.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int

    @classmethod
    def of(cls, prompt_tokens: int, lasts: Iterable[Delta]) -> Usage:
        """The usage of answers by their last deltas; the prompt counts once."""
        found = list(lasts)
        cached = max((last.cached_tokens for last in found), default=0)
        return cls(prompt_tokens, sum(last.completion_tokens for last in found), min(cached, prompt_tokens))

    def as_json(self) -> dict[str, Any]:
        """As the protocol writes it."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


@dataclass(slots=True)
class Choice:
    """One of the answers to a chat, as it comes."""

    index: int
    reader: AnswerReader
    begun: bool = False
    calls: list[ToolCall] = field(default_factory=list)

    def push(self, delta: Delta) -> tuple[Part, str | None]:
        """Take a delta in; return what it adds, and why the answer ended where it did."""
        part = self.reader.push(delta.text, last=delta.last)
        self.calls += part.calls
        reason = "tool_calls" if self.calls and delta.finish_reason == "stop" else delta.finish_reason
        return part, reason


class ChatReply:
    """Builds the answers to one chat; all share its id, time and model name."""

    def __init__(self, model: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._head = head("chatcmpl", model)

    def whole(self, choices: Sequence[Choice], lasts: Sequence[Delta], usage: Usage) -> dict[str, Any]:
        """Return the answer that is not streamed."""
        found = [self._choice(choice, last) for choice, last in zip(choices, lasts, strict=True)]
        return {**self._head, "object": "chat.completion", "choices": found, "usage": usage.as_json()}

    def chunk(self, choice: Choice, delta: Delta) -> dict[str, Any] | None:
        """Return one piece of a streamed answer, or None where there is nothing to tell yet."""
        first, before = not choice.begun, len(choice.calls)
        part, reason = choice.push(delta)
        if not (part or first or reason or delta.logprobs):
            return None
        choice.begun = True
        body: dict[str, Any] = {"role": "assistant"} if first else {}
        if part.content or (first and not part):
            body["content"] = part.content
        if part.reasoning:
            body["reasoning_content"] = part.reasoning
        if part.calls:
            body["tool_calls"] = [
                {"index": at, **call_json(call)} for at, call in enumerate(part.calls, start=before)
            ]
        found = {
            "index": choice.index,
            "delta": body,
            "logprobs": self._logprobs(delta),
            "finish_reason": reason,
        }
        return {**self._head, "object": "chat.completion.chunk", "choices": [found]}

    def usage_chunk(self, usage: Usage) -> dict[str, Any]:
        """Return the piece that tells the usage after the last text."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage.as_json()}

    def _choice(self, choice: Choice, last: Delta) -> dict[str, Any]:
        part, reason = choice.push(last)
        content = None if part.calls and not part.content else part.content
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if part.reasoning:
            message["reasoning_content"] = part.reasoning
        if part.calls:
            message["tool_calls"] = [call_json(call) for call in part.calls]
        return {
            "index": choice.index,
            "message": message,
            "logprobs": self._logprobs(last),
            "finish_reason": reason,
        }

    def _logprobs(self, delta: Delta) -> dict[str, Any] | None:
        if not delta.logprobs:
            return None
        return {"content": [self._logprob(each) for each in delta.logprobs], "refusal": None}

    def _logprob(self, found: TokenLogprob) -> dict[str, Any]:
        top = [self._likely(token, value) for token, value in found.top]
        return {**self._likely(found.token, found.logprob), "top_logprobs": top}

    def _likely(self, token: int, logprob: float) -> dict[str, Any]:
        raw = self._vocabulary.raw(token)
        return {"token": raw.decode("utf-8", "replace"), "logprob": finite(logprob), "bytes": list(raw)}


class TextReply:
    """Builds the answers to one request for completions of texts."""

    def __init__(self, model: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._head = {**head("cmpl", model), "object": "text_completion"}

    def whole(self, lasts: Sequence[Delta], echoes: Sequence[str], usage: Usage) -> dict[str, Any]:
        """Return the answer that is not streamed; each text begins with its echo."""
        choices = [
            self._choice(index, last, echo)
            for index, (last, echo) in enumerate(zip(lasts, echoes, strict=True))
        ]
        return {**self._head, "choices": choices, "usage": usage.as_json()}

    def chunk(self, index: int, delta: Delta, echo: str) -> dict[str, Any]:
        """Return one piece of a streamed answer."""
        return {**self._head, "choices": [self._choice(index, delta, echo)]}

    def usage_chunk(self, usage: Usage) -> dict[str, Any]:
        """Return the piece that tells the usage after the last text."""
        return {**self._head, "choices": [], "usage": usage.as_json()}

    def _choice(self, index: int, delta: Delta, echo: str) -> dict[str, Any]:
        return {
            "index": index,
            "text": echo + delta.text,
            "logprobs": self._logprobs(delta),
            "finish_reason": delta.finish_reason,
        }

    def _logprobs(self, delta: Delta) -> dict[str, Any] | None:
        if not delta.logprobs:
            return None
        texts = [self._vocabulary.text(each.token) for each in delta.logprobs]
        offsets = [sum(map(len, texts[:at])) for at in range(len(texts))]
        return {
            "tokens": texts,
            "token_logprobs": [finite(each.logprob) for each in delta.logprobs],
            "top_logprobs": [
                {self._vocabulary.text(token): finite(value) for token, value in each.top}
                for each in delta.logprobs
            ],
            "text_offset": offsets,
        }


def head(kind: str, model: str) -> dict[str, Any]:
    """What all answers to one request have in common."""
    return {"id": f"{kind}-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}


def finite(logprob: float) -> float:
    """A log probability that JSON can write; the protocol's least is -9999."""
    return max(logprob, -9999.0)


def call_json(call: ToolCall) -> dict[str, Any]:
    """A tool call as the protocol writes it."""
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
