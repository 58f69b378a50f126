"""The OpenAI chat protocol, as far as the engine speaks it (https://platform.openai.com/docs/api-reference/chat).

What would change the meaning of an answer and is not supported is refused, never ignored.
"""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.inference.engine.completion import Delta
from services.inference.engine.sampling import SamplingParams
from services.runtime.errors import InvalidArgument

DEFAULT_MAX_TOKENS = 1024
_MAX_STOPS = 16


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One turn of the conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part]
    name: str | None = None

    def plain(self) -> dict[str, str]:
        """Return the message as chat templates take it."""
        content = self.content if isinstance(self.content, str) else "".join(p.text for p in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


class _Text(BaseModel):
    type: Literal["text"]


class _JsonObject(BaseModel):
    type: Literal["json_object"]


class _NamedSchema(BaseModel):
    model_config = ConfigDict(extra="forbid")

    json_schema: dict[str, Any] = Field(alias="schema")
    name: str = ""
    description: str | None = None
    strict: bool | None = None


class _JsonSchema(BaseModel):
    type: Literal["json_schema"]
    json_schema: _NamedSchema


class _StreamOptions(BaseModel):
    include_usage: bool = False
    include_obfuscation: bool = False


class ChatRequest(BaseModel):
    """Body of POST /v1/chat/completions; of what is not supported only the neutral value is taken."""

    model_config = ConfigDict(extra="forbid")

    model: str
    messages: list[Message] = Field(min_length=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | Annotated[list[str], Field(max_length=_MAX_STOPS)] | None = None
    seed: int | None = None
    response_format: Annotated[_Text | _JsonObject | _JsonSchema, Field(discriminator="type")] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None

    n: Literal[1] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logprobs: Literal[False] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    modalities: list[Literal["text"]] | None = None

    # These tell the server about the caller, not about the answer.
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None

    def sampling(self) -> SamplingParams:
        """Return how to draw; `max_completion_tokens` wins over its older name."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return SamplingParams(
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            max_tokens=self.max_completion_tokens or self.max_tokens or DEFAULT_MAX_TOKENS,
            stop=tuple(s for s in stop if s),
            seed=self.seed,
        )

    @property
    def states_length(self) -> bool:
        """True where the caller said how long the completion may be."""
        return bool(self.max_completion_tokens or self.max_tokens)

    def answer_schema(self) -> dict[str, Any] | None:
        """Return the JSON schema that the answer must satisfy, or None."""
        if isinstance(self.response_format, _JsonSchema):
            return self.response_format.json_schema.json_schema
        return {"type": "object"} if isinstance(self.response_format, _JsonObject) else None


def parse_chat_request(body: bytes) -> ChatRequest:
    """Read a request body.

    Raises:
        InvalidArgument: no JSON, or a field that is wrong or not supported; `field` names it.
    """
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        field = str((faults[0]["loc"] or ("",))[0])
        # Of a field that may be of several kinds every kind is reported; the last is the widest.
        fault = [fault for fault in faults if str((fault["loc"] or ("",))[0]) == field][-1]
        path = ".".join(str(part) for part in fault["loc"])
        reason = {"json_invalid": "INVALID_JSON", "extra_forbidden": "UNSUPPORTED_FIELD"}.get(
            fault["type"], "INVALID_VALUE"
        )
        message = "This field is not supported" if reason == "UNSUPPORTED_FIELD" else fault["msg"]
        raise InvalidArgument(reason, f"{path}: {message}." if path else f"{message}.", field) from error


class Reply:
    """Builds the answers to one request; all share its id, time and model name."""

    def __init__(self, model: str, prompt_tokens: int) -> None:
        self._prompt_tokens = prompt_tokens
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, last: Delta) -> dict[str, Any]:
        """Return the answer that is not streamed."""
        message = {"role": "assistant", "content": last.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": last.finish_reason}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage(last)}

    def chunk(self, delta: Delta, *, first: bool) -> dict[str, Any]:
        """Return one piece of a streamed answer."""
        content = {"content": delta.text} if delta.text or first else {}
        content = {"role": "assistant", **content} if first else content
        choice = {"index": 0, "delta": content, "logprobs": None, "finish_reason": delta.finish_reason}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def usage_chunk(self, last: Delta) -> dict[str, Any]:
        """Return the piece that tells the usage after the last text."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage(last)}

    def _usage(self, last: Delta) -> dict[str, Any]:
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": last.completion_tokens,
            "total_tokens": self._prompt_tokens + last.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": last.cached_tokens},
        }
