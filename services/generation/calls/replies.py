"""What a language model's server sends back, and what it used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.runtime.errors import SishuError

THINK = re.compile(r"<(/?)(?i:think(?:ing)?)>")
OPENING = re.compile(r"[\[{｛［]")
JSON_BEGINS = re.compile(r"\s*(?:```|[\[{\"｛［])")
THINKING = {"thinking", "reasoning"}
"""Types of the parts of a message that are no answer."""
MOST_TOKENS = 100_000_000
"""More than any model takes or gives in one call."""
STATUSES = {
    "invalid_api_key": 401,
    "authentication_error": 401,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "overloaded_error": 529,
}
"""HTTP statuses of errors that servers tell by name."""


class ErrorTold(Exception):
    """A server tells of an error where its answer should be, whatever the HTTP status.

    Args:
        message: its words; may be empty.
        status: the HTTP status, or that which the error should have had; 0 where the server does not say.
        code: its names for the error, such as `insufficient_quota`.
        delay: how long it asks to be left alone, as metadata.
    """

    def __init__(
        self, message: str, status: int, code: str = "", delay: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.delay = message, status, code, delay or {}


class WebPage(TypeError):
    """A page for people, so that no model has answered."""


@dataclass(frozen=True)
class Usage:
    """What calls used.

    Args:
        prompt_tokens: as the servers count them; 0 where they do not say, or what cannot be.
        completion_tokens: likewise, thoughts included.
        calls: calls that a server served, be it that the answer never came; not those that it turned away.
        seconds: time of these calls, without waiting before them.
        cost: by the prices at that time; 0 where there is none.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens in both directions."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.calls + other.calls,
            self.seconds + other.seconds,
            self.cost + other.cost,
        )

    def __sub__(self, other: Usage) -> Usage:
        """What was used after another state."""
        return Usage(
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            self.calls - other.calls,
            self.seconds - other.seconds,
            self.cost - other.cost,
        )


def with_usage(error: SishuError, usage: Usage) -> SishuError:
    """The error, with what was used before it in its metadata; nothing is added where nothing was used."""
    total = usage_of(error) + usage
    if total.calls:
        error.metadata.update(
            prompt_tokens=str(total.prompt_tokens),
            completion_tokens=str(total.completion_tokens),
            calls=str(total.calls),
            seconds=f"{total.seconds:.3f}",
            cost=repr(total.cost),
        )
    return error


def usage_of(error: SishuError) -> Usage:
    """What the calls used whose failure this is."""
    told = error.metadata
    if "calls" not in told:
        return Usage()
    return Usage(
        int(told["prompt_tokens"]),
        int(told["completion_tokens"]),
        int(told["calls"]),
        float(told["seconds"]),
        float(told["cost"]),
    )


@dataclass(frozen=True)
class Reply:
    """One answer of a server, not validated.

    Args:
        text: what the model said, without its thoughts.
        reasoning: its thoughts, whether they were sent apart or inside `<think>`; may be empty.
        refusal: why the model refuses to answer, where the server sends that apart.
        model: the model as the server names it.
        finish_reason: why it ended, such as `stop` or `length`; empty where the server does not say.
        first_seconds: time until the first piece of a streamed answer; 0 for one that came whole.
    """

    text: str
    reasoning: str = ""
    refusal: str = ""
    model: str = ""
    finish_reason: str = ""
    usage: Usage = field(default=Usage())
    first_seconds: float = 0.0


def reply_of(answer: Any, seconds: float, first_seconds: float = 0.0) -> Reply:
    """The reply in a server's decoded answer, most parts of which may be missing or of another type.

    Raises:
        ErrorTold: it tells of an error.
        TypeError: it is no completion, so another kind of server gave it, or one that fails.
    """
    if not isinstance(answer, Mapping):
        raise TypeError("the answer is no JSON object")
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        if answer.get("error") or string(answer.get("message")):
            raise error_told(answer.get("error") or answer)
        raise TypeError("the answer has no choices")
    choice = mapping(choices[0])
    message = mapping(choice.get("message"))
    text, reasoning = content_of(message)
    return Reply(
        text,
        reasoning,
        string(message.get("refusal")),
        string(answer.get("model")),
        string(choice.get("finish_reason")),
        Usage(*tokens_of(mapping(answer.get("usage"))), 1, seconds),
        first_seconds,
    )


def error_told(error: Any) -> ErrorTold:
    """The error of which a server tells: by `{"message", "code"}`, or by a text."""
    told = mapping(error)
    names = [name for key in ("code", "type") if (name := string(told.get(key)))]
    statuses = [http_status(told.get(key)) for key in ("status", "status_code", "code")]
    statuses += [STATUSES.get(name, 0) for name in names]
    message = string(told.get("message")) or string(error)
    return ErrorTold(message, next(filter(None, statuses), 0), " ".join(names))


def http_status(value: Any) -> int:
    """The value if it is the HTTP status of an error, be it as a text, else 0."""
    status = int(value) if isinstance(value, str) and re.fullmatch(r"[45]\d\d", value, re.ASCII) else value
    return status if isinstance(status, int) and 400 <= status < 600 else 0


def content_of(message: Mapping[str, Any]) -> tuple[str, str]:
    """Text and reasoning of a message; a server may send reasoning apart, as a part or inside `<think>`."""
    said, thinking = said_in(message.get("content"))
    thoughts, text = split_thoughts(string(said))
    apart = string(message.get("reasoning_content")) or string(message.get("reasoning")) or string(thinking)
    return text, apart.strip() or thoughts


def said_in(content: Any) -> tuple[str, str]:
    """Text and reasoning of a content, which is a text or a list of parts, also of a piece of a stream."""
    if not isinstance(content, list):
        return (content, "") if isinstance(content, str) else ("", "")
    said: list[str] = []
    thinking: list[str] = []
    for part in content:
        kind = mapping(part).get("type")
        if isinstance(kind, str) and kind in THINKING:
            inner = part.get(kind) or part.get("text")
            thinking += map(text_of, inner if isinstance(inner, list) else [inner])
        else:
            said.append(text_of(part))
    return "".join(said), "".join(thinking)


def text_of(part: Any) -> str:
    """The text of a part of a message, which may be one itself; empty for one of another kind."""
    text = mapping(part).get("text", part)
    return text if isinstance(text, str) else ""


def split_thoughts(text: str) -> tuple[str, str]:
    """What stands inside `<think>` before the answer, and the answer.

    A mark inside the answer, such as in one of its strings, is part of the answer. Blocks may hold others.
    A chat template may write the opening mark, so that only the closing one is here; a block that is never
    closed reaches to the end.
    """
    thoughts: list[str] = []
    while mark := THINK.search(text):
        before = text[: mark.start()]
        if mark[1] and not JSON_BEGINS.match(text):
            end = end_without_beginning(text)
            thoughts.append(text[:end])
            text = text[end:]
        elif not mark[1] and not OPENING.search(before):
            end = block_end(text, mark.start())
            thoughts.append(text[mark.start() : end])
            text = before + text[end:]
        else:
            break
    return "\n".join(filter(None, map(without_marks, thoughts))), text.strip()


def block_end(text: str, start: int) -> int:
    """Where the `<think>` block ends that begins at a place; at the end of the text if it is not closed."""
    depth = 0
    for mark in THINK.finditer(text, start):
        depth += -1 if mark[1] else 1
        if depth == 0:
            return mark.end()
    return len(text)


def end_without_beginning(text: str) -> int:
    """Where thoughts end that have no opening mark: where JSON begins after a mark, else at the last one."""
    ends = [mark.end() for mark in THINK.finditer(text) if mark[1]]
    return next((end for end in ends if JSON_BEGINS.match(text, end)), ends[-1])


def without_marks(thoughts: str) -> str:
    """Thoughts without the marks around and among them."""
    return THINK.sub("", thoughts).strip()


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def string(value: Any) -> str:
    """The value if it is a text, as far as Postgres can hold it, else an empty one."""
    if not isinstance(value, str):
        return ""
    text = value.replace("\0", "")
    # Surrogates become pairs where they stand side by side, else replacement characters.
    return (
        text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )


def tokens_of(usage: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens of prompt and completion; (0, 0) where one cannot be, as then neither is to be trusted."""
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    tokens = count(prompt), count(completion)
    return tokens if all(tokens) or (tokens[0] and completion == 0) else (0, 0)


def count(value: Any) -> int:
    """The value if it is a number of tokens that a model can have used, be it written otherwise, else 0."""
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"\d{1,12}", value, re.ASCII) else 0
    if isinstance(value, float):
        value = int(value) if value.is_integer() else 0
    known = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_TOKENS
    return value if known else 0
