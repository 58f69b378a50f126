"""The OpenAI protocol, as far as the engine speaks it (https://platform.openai.com/docs/api-reference).

What would change the meaning of an answer and is not supported is refused, never ignored.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from services.inference.engine.sampling import SamplingParams
from services.runtime.errors import InvalidArgument

DEFAULT_CHAT_TOKENS = 1024
DEFAULT_TEXT_TOKENS = 16
_MAX_STOPS = 16
_MAX_CHOICES = 128
_MAX_BIASES = 300

Penalty = Annotated[float, Field(ge=-2, le=2)]
TokenIds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class _Part(_Strict):
    type: Literal["text"]
    text: str


class _CalledFunction(_Strict):
    name: str
    arguments: str

    @field_validator("arguments")
    @classmethod
    def _holds_an_object(cls, value: str) -> str:
        if not isinstance(json.loads(value or "{}"), dict):
            raise ValueError("arguments must be the JSON text of an object")
        return value


class _ToolCall(_Strict):
    id: str
    type: Literal["function"] = "function"
    function: _CalledFunction

    def plain(self) -> dict[str, Any]:
        # Templates write the arguments out themselves, so they want the object, not its text.
        arguments = json.loads(self.function.arguments or "{}")
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.function.name, "arguments": arguments},
        }


class Message(_Strict):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    name: str | None = None
    refusal: None = None
    reasoning_content: str | None = None
    tool_calls: Annotated[list[_ToolCall], Field(min_length=1)] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _belongs_together(self) -> Message:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("content is missing")
        if (self.tool_call_id is None) != (self.role != "tool"):
            raise ValueError("a tool's message, and no other, names its tool_call_id")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only the assistant calls tools")
        return self

    def plain(self) -> dict[str, Any]:
        """Return the message as chat templates take it."""
        content = (
            self.content if isinstance(self.content, str) else "".join(p.text for p in self.content or ())
        )
        found: dict[str, Any] = {
            "role": "system" if self.role == "developer" else self.role,
            "content": content,
        }
        if self.reasoning_content:
            found["reasoning_content"] = self.reasoning_content
        if self.tool_calls:
            found["tool_calls"] = [call.plain() for call in self.tool_calls]
        if self.tool_call_id is not None:
            found["tool_call_id"] = self.tool_call_id
        return {**found, "name": self.name} if self.name and self.role == "tool" else found


class _Function(_Strict):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(_Strict):
    """A function that the model may call."""

    type: Literal["function"]
    function: _Function

    def plain(self) -> dict[str, Any]:
        """Return the tool as chat templates take it."""
        function = {
            "name": self.function.name,
            "description": self.function.description or "",
            "parameters": self.function.parameters or {"type": "object", "properties": {}},
        }
        return {"type": "function", "function": function}


class _FunctionName(_Strict):
    name: str


class _NamedTool(_Strict):
    type: Literal["function"]
    function: _FunctionName


class _Text(_Strict):
    type: Literal["text"]


class _JsonObject(_Strict):
    type: Literal["json_object"]


class _NamedSchema(_Strict):
    json_schema: dict[str, Any] = Field(alias="schema")
    name: str = ""
    description: str | None = None
    strict: bool | None = None


class _JsonSchema(_Strict):
    type: Literal["json_schema"]
    json_schema: _NamedSchema


class _StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: bool = False


class Sampled(_Strict):
    """What requests for chats and for texts share."""

    model: str
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    logit_bias: (
        Annotated[
            dict[Annotated[int, Field(ge=0)], Annotated[float, Field(ge=-100, le=100)]],
            Field(max_length=_MAX_BIASES),
        ]
        | None
    ) = None
    max_tokens: int | None = Field(None, ge=1)
    stop: str | Annotated[list[str], Field(max_length=_MAX_STOPS)] | None = None
    seed: int | None = None
    n: int | None = Field(None, ge=1, le=_MAX_CHOICES)
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _streams_what_it_describes(self) -> Sampled:
        if self.stream_options and not self.stream:
            raise ValueError("stream_options is only for a streamed answer")
        return self

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return self.n or 1

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def drawing(self, max_tokens: int, logprobs: int | None, choice: int) -> SamplingParams:
        """Return how to draw one of the answers; with a seed each has another, the same in every call."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return SamplingParams(
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=max(self.top_k or 0, 0),
            min_p=self.min_p or 0.0,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            repetition_penalty=self.repetition_penalty or 1.0,
            logit_bias=self.logit_bias or {},
            max_tokens=max_tokens,
            stop=tuple(each for each in stop if each),
            seed=None if self.seed is None else self.seed + choice,
            logprobs=logprobs,
        )


class ChatRequest(Sampled):
    """Body of POST /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    response_format: Annotated[_Text | _JsonObject | _JsonSchema, Field(discriminator="type")] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | _NamedTool | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: dict[str, bool | int | str] | None = None
    modalities: list[Literal["text"]] | None = None

    # These tell the server about the caller, not about the answer.
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> ChatRequest:
        names = {tool.function.name for tool in self.tools or ()}
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs")
        if isinstance(self.tool_choice, _NamedTool) and self.tool_choice.function.name not in names:
            raise ValueError(
                f"tool_choice names {self.tool_choice.function.name!r}, which is not among the tools"
            )
        if self.tool_choice == "required" and not names:
            raise ValueError("tool_choice needs tools")
        return self

    @property
    def states_length(self) -> bool:
        """True where the caller said how long the completion may be."""
        return bool(self.max_completion_tokens or self.max_tokens)

    def sampling(self, choice: int = 0) -> SamplingParams:
        """Return how to draw an answer; `max_completion_tokens` wins over its older name."""
        length = self.max_completion_tokens or self.max_tokens or DEFAULT_CHAT_TOKENS
        return self.drawing(length, (self.top_logprobs or 0) if self.logprobs else None, choice)

    def answer_schema(self) -> dict[str, Any] | None:
        """Return the JSON schema that the answer must satisfy, or None."""
        if isinstance(self.response_format, _JsonSchema):
            return self.response_format.json_schema.json_schema
        return {"type": "object"} if isinstance(self.response_format, _JsonObject) else None

    def offered_tools(self) -> list[Tool]:
        """Return the tools that the model is told of."""
        return [] if self.tool_choice == "none" else self.tools or []

    def forced_tools(self) -> list[Tool]:
        """Return those of which the model must call one; none where it is free to answer."""
        if isinstance(self.tool_choice, _NamedTool):
            name = self.tool_choice.function.name
            return [tool for tool in self.tools or () if tool.function.name == name]
        return self.offered_tools() if self.tool_choice == "required" else []


class TextRequest(Sampled):
    """Body of POST /v1/completions."""

    prompt: str | TokenIds | Annotated[list[str] | list[TokenIds], Field(min_length=1, max_length=128)]
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool | None = None
    best_of: int | None = None

    @model_validator(mode="after")
    def _can_be_done(self) -> TextRequest:
        if self.best_of is not None and self.best_of != self.choices:
            raise ValueError("best_of other than n is not supported")
        if self.echo and self.logprobs is not None:
            raise ValueError("logprobs of an echoed prompt are not supported")
        return self

    @property
    def states_length(self) -> bool:
        """True where the caller said how long the completion may be."""
        return self.max_tokens is not None

    def prompts(self) -> list[str | list[int]]:
        """Return the prompts, as texts or token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        return [self.prompt] if isinstance(self.prompt[0], int) else list(self.prompt)

    def sampling(self, choice: int = 0) -> SamplingParams:
        """Return how to draw a completion."""
        return self.drawing(self.max_tokens or DEFAULT_TEXT_TOKENS, self.logprobs, choice)


class AdapterRequest(_Strict):
    """Body of POST /v1/load_lora_adapter and /v1/unload_lora_adapter, the same as vLLM's."""

    lora_name: Annotated[str, Field(min_length=1, max_length=400)]
    lora_path: str = ""
    lora_int_id: int | None = None


Request = TypeVar("Request", bound=BaseModel)


def parse_request(kind: type[Request], body: bytes) -> Request:
    """Read a request body.

    Raises:
        InvalidArgument: no JSON, or a field that is wrong or not supported; `field` names it.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        field = str((faults[0]["loc"] or ("",))[0])
        # Of a field that may be of several kinds every kind is reported; the last is the widest.
        fault = [fault for fault in faults if str((fault["loc"] or ("",))[0]) == field][-1]
        path = ".".join(str(part) for part in fault["loc"])
        said = fault["msg"].removeprefix("Value error, ")
        if not path and said.split()[0] in kind.model_fields:
            field = said.split()[0]
        reason = {"json_invalid": "INVALID_JSON", "extra_forbidden": "UNSUPPORTED_FIELD"}.get(
            fault["type"], "INVALID_VALUE"
        )
        message = "This field is not supported" if reason == "UNSUPPORTED_FIELD" else said
        raise InvalidArgument(reason, f"{path}: {message}." if path else f"{message}.", field) from error
