"""Streamed answers: server-sent events, gathered into the answer that a server would send whole.

The pieces are read as plain JSON: pydantic objects, as the SDK makes them of every piece, cost more than all
the rest of a call.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from services.generation.calls.replies import error_told, mapping, said_in, split_thoughts, string

MOST_CHARACTERS = 400_000
"""Longest answer with its thoughts; a model that writes more repeats itself."""
MOST_LINE_BYTES = 8 << 20
DONE = b"[DONE]"
TURNED_AWAY = {401, 402, 403, 429}
"""HTTP statuses by which a server wants nothing of a caller, or less."""


class StreamFailed(Exception):
    """The server reports a failure, or breaks off, in the middle of a streamed answer.

    Args:
        message: the server's words; empty where it broke off without any.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class Events:
    """Takes the data of a stream of server-sent events apart, in whatever portions it comes.

    Every line of data is taken for an event: JSON needs no second line, and some servers part events by one
    line end in place of two (https://html.spec.whatwg.org/multipage/server-sent-events.html).
    """

    def __init__(self) -> None:
        self._rest = b""

    def of(self, portion: bytes) -> Iterator[Any]:
        """The events that a portion completes; the last one of a stream is `DONE`.

        Raises:
            StreamFailed: what came is no such stream.
        """
        *lines, self._rest = (self._rest + portion).split(b"\n")
        if len(self._rest) > MOST_LINE_BYTES:
            raise StreamFailed("an event is too long")
        for line in lines:
            data = line[5:].strip() if line.startswith(b"data:") else b""
            if data == DONE:
                yield DONE
            elif data:
                yield event_of(data)

    def end(self) -> Iterator[Any]:
        """The event of a last line that has no end."""
        return self.of(b"\n")


def event_of(data: bytes) -> Any:
    """The decoded data of an event.

    Raises:
        StreamFailed: it is not JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise StreamFailed("an event is not JSON") from None


class Gathered:
    """A streamed answer as far as it has come.

    Attributes:
        whole: the model has ended; what the call used may still follow.
        overlong: it was ended here, since the model writes without end.
        begun: when the first piece came, by `time.monotonic`; 0 before.
    """

    def __init__(self) -> None:
        self.whole = self.overlong = False
        self.begun = 0.0
        self._parts: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
        self._characters = 0
        self._model, self._finish_reason = "", ""
        self._chosen = False
        self._usage: Any = None

    def take(self, events: Iterable[Any]) -> bool:
        """Add pieces; whether they brought anything, as those that keep the connection open do not.

        Raises:
            ErrorTold: the server tells of an error before the model has begun, or turns the caller away.
            StreamFailed: it fails after that.
        """
        brought = False
        for event in events:
            if event is DONE:
                self.whole = brought = True
            else:
                brought |= self._piece(mapping(event))
        if brought and not self.begun:
            self.begun = time.monotonic()
        if self._characters > MOST_CHARACTERS and not self.whole:
            self._finish_reason, self.whole, self.overlong = "length", True, True
        return brought

    def _piece(self, event: Mapping[str, Any]) -> bool:
        if event.get("error"):
            told = error_told(event["error"])
            # What was begun counts as paid, unless the server turns the caller away.
            begun = self._characters and told.status not in TURNED_AWAY
            raise StreamFailed(told.message or "an error") if begun else told
        self._model = self._model or string(event.get("model"))
        usage, choices = event.get("usage"), event.get("choices")
        self._usage = usage or self._usage
        choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
        self._chosen |= bool(choice)
        brought = self._add(mapping(choice.get("delta")))
        reason = string(choice.get("finish_reason"))
        if reason:
            self._finish_reason, self.whole = reason, True
        return brought or bool(reason) or bool(usage and self.whole)

    @property
    def closed(self) -> bool:
        """Whether the answer is whole now that the stream is closed; some servers say nothing at its end."""
        return self.whole or is_closed("".join(self._parts["content"]))

    def answer(self) -> dict[str, Any]:
        """The answer as a server sends it whole."""
        message = {name: "".join(parts) for name, parts in self._parts.items()}
        choice = {"message": message, "finish_reason": self._finish_reason}
        choices = [choice] if self._chosen else []
        return {"model": self._model, "choices": choices, "usage": self._usage}

    def _add(self, delta: Mapping[str, Any]) -> bool:
        said, thinking = said_in(delta.get("content"))
        pieces = {
            "content": said,
            "reasoning_content": delta.get("reasoning_content") or delta.get("reasoning") or thinking,
            "refusal": delta.get("refusal"),
        }
        size = 0
        for name, piece in pieces.items():
            if piece and isinstance(piece, str):
                self._parts[name].append(piece)
                size += len(piece)
        self._characters += size
        return size > 0


def is_closed(text: str) -> bool:
    """Whether a text, but for thoughts before it, is a JSON object or array from its beginning to its end."""
    answer = split_thoughts(text)[1]
    if answer[:1] not in {"{", "["}:
        return False
    try:
        json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return True
