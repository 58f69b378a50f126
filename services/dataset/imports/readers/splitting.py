"""The values of a JSON file one by one, without reading it whole.

A file is an array of values, values one after the other, or an object with a list in it. Values are cut out
by their brackets, in C: one match of a pattern for each; what is within them is left to a parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TypeAlias

import orjson

from services.dataset.imports.rows import MOST_ROW_BYTES, BadRow
from services.runtime.errors import InvalidArgument

CHUNK_BYTES = 1 << 20
STRING = rb'"(?:[^"\\]++|\\.)*+"'
BRACKET = re.compile(rb'[^"{}\[\]]*+(?:' + STRING + rb'[^"{}\[\]]*+)*+([{}\[\]])', re.DOTALL)
"""All up to the next bracket that is in no string."""
SIGN = re.compile(rb'\\.|["{}\[\]]', re.DOTALL)
"""What counts on the way to the end of a value; an escaped sign is one that does not."""
KEY = re.compile(rb"(" + STRING + rb")\s*+:", re.DOTALL)
OPEN = frozenset(b"{[")
LIST_END = ord("]")
SEPARATORS = b" \t\r\n,\x1e"
ROW_KEYS = {
    *(
        "messages",
        "conversations",
        "conversation",
        "chosen",
        "rejected",
        "prompt",
        "completion",
        "instruction",
    ),
    *("input", "output", "system", "history", "question", "answer", "text", "content", "images", "videos"),
    *("audios", "tools", "query", "response"),
}
"""Columns of rows: an object with one of them is a row, not the holder of a list of rows."""

Value: TypeAlias = bytes | BadRow


@dataclass(frozen=True)
class Layout:
    """How a file holds its values.

    Args:
        depth: in how many brackets.
        key: of the list in the outermost object, where they are in one.
        chosen: whether a person named the key.
    """

    depth: int
    key: str = ""
    chosen: bool = False


def layout_of(head: bytes, field: str = "") -> Layout:
    """How a file holds its values, by its first bytes.

    Args:
        head: the first bytes.
        field: key of the list that is wanted, where a person names one.
    """
    if head.lstrip()[:1] == b"[":
        return Layout(1)
    if field:
        return Layout(2, field, chosen=True)
    found, depth, list_key = Layout(0), 0, ""
    for match in BRACKET.finditer(head):
        keys = [key_of(key) for key in KEY.findall(match[0])] if depth == 1 else []
        if ROW_KEYS.intersection(keys):
            return Layout(0)
        opens = match[1][0] in OPEN
        if depth == 1:
            list_key = keys[-1] if match[1] == b"[" and keys else ""
        elif depth == 2 and match[1] == b"{" and list_key and not found.key:
            found = Layout(2, list_key)
        depth += 1 if opens else -1
        if depth == 0:
            # Where another object follows, each is a row.
            return Layout(0) if head[match.end() :].lstrip(SEPARATORS).startswith(b"{") else found
    return found


def key_of(quoted: bytes) -> str:
    """A key without its quotes."""
    try:
        return str(orjson.loads(quoted))
    except orjson.JSONDecodeError:
        return ""


class Splitter:
    """Cuts a file into its values.

    Args:
        stream: the file, in UTF-8.
        name: its name, for messages.
        layout: how it holds them.
    """

    def __init__(self, stream: IO[bytes], name: str, layout: Layout) -> None:
        self._stream = stream
        self._name = name
        self._layout = layout
        self._base = layout.depth
        self._buffer = b""
        self._passed = 0
        self._at = 0
        self._start = -1
        self._depth = 0
        self._key = ""
        self._in_list = layout.depth < 2
        self._found = layout.depth < 2

    def values(self) -> Iterator[Value]:
        """The values, in their order.

        Raises:
            InvalidArgument: the file is no JSON, or is cut off.
        """
        while True:
            match = BRACKET.match(self._buffer, self._at)
            if match is not None:
                opens = self._buffer[match.end() - 1] in OPEN
                yield from self._opened(match) if opens else self._closed(match)
                self._at = match.end()
            elif self._is_too_long():
                yield self._skipped()
            elif not self._refill():
                break
        yield from self._ended(self._buffer[self._at :])

    def _opened(self, match: re.Match[bytes]) -> Sequence[Value]:
        """Go into a bracket; what stood before it."""
        depth, base = self._depth, self._base
        self._depth += 1
        if depth > base:
            return ()
        place = match.end() - 1
        if depth == base and self._in_list:
            self._start = place
            return self._between(self._buffer[self._at : place])
        if base == 2:
            self._enter(depth, match[0])
        return ()

    def _closed(self, match: re.Match[bytes]) -> Sequence[Value]:
        """Come out of a bracket; the value that ends there."""
        self._depth -= 1
        if self._depth > self._base:
            return ()
        if self._depth == self._base:
            if self._start < 0:
                return ()
            value = self._buffer[self._start : match.end()]
            self._start = -1
            return (value,)
        place = match.end() - 1
        if self._depth < 0 or (self._depth == self._base - 1 == 0 and self._buffer[place] != LIST_END):
            raise broken(self._name, self._passed + place, "a bracket closes that was not opened")
        left = self._between(self._buffer[self._at : place]) if self._in_list else ()
        self._in_list = self._base < 2
        return left

    def _enter(self, depth: int, opening: bytes) -> None:
        """Look whether the list that opens within the outermost object is the wanted one."""
        if depth == 1:
            keys = KEY.findall(opening)
            self._key = key_of(keys[-1]) if keys and opening.endswith(b"[") else ""
            self._in_list = bool(self._key) and self._key == self._layout.key
            self._found |= self._in_list
        elif depth == 2 and self._key and not self._layout.chosen and opening.endswith(b"{"):
            raise lists_many(self._name, self._layout.key, self._key)

    def _is_too_long(self) -> bool:
        """Whether what is in the buffer is more than a row may be."""
        first = self._start if self._start >= 0 else self._at
        return len(self._buffer) - first > MOST_ROW_BYTES

    def _refill(self) -> bool:
        """Drop what is done, and read on; whether there was more."""
        kept = self._start if self._start >= 0 else self._at
        rest = self._buffer[kept:]
        # Twice as much each time, so that a long value is not looked at again and again.
        more = self._stream.read(max(CHUNK_BYTES, len(rest)))
        self._passed += kept
        self._at -= kept
        self._start = min(self._start, 0)
        self._buffer = rest + more
        return bool(more)

    def _between(self, gap: bytes) -> Sequence[Value]:
        """What stands between two values: a comma, or values without brackets, which are no rows."""
        words = gap.strip(SEPARATORS)
        if not words:
            return ()
        try:
            return [not_an_object(value) for value in orjson.loads(b"[" + words + b"]")]
        except orjson.JSONDecodeError as error:
            raise broken(self._name, self._passed, f"{words[:40]!r} stands between two values") from error

    def _skipped(self) -> BadRow:
        """Pass over the rest of a value that is too long."""
        if self._start < 0:
            raise broken(self._name, self._passed, "no value begins for many megabytes")
        self._passed += len(self._buffer)
        quoted, chunk = False, self._buffer[self._at :]
        while chunk:
            for match in SIGN.finditer(chunk):
                if match[0] == b'"':
                    quoted = not quoted
                elif not quoted and len(match[0]) == 1:
                    self._depth += 1 if match[0][0] in OPEN else -1
                    if self._depth == self._base:
                        self._buffer, self._at, self._start = chunk[match.end() :], 0, -1
                        return too_long()
            more = self._stream.read(CHUNK_BYTES)
            # A sign may be in the next bytes whose escape is the last of these.
            chunk = (b"\\" if ends_in_escape(chunk) else b"") + more if more else b""
        raise cut_off(self._name)

    def _ended(self, rest: bytes) -> Sequence[Value]:
        """Look at what is after the last bracket."""
        if self._depth:
            raise cut_off(self._name)
        if not self._found:
            raise InvalidArgument(
                "JSON_FIELD_MISSING",
                f"{self._name}: there is no list {self._layout.key!r} in the object; name another field",
                "field",
                name=self._name,
            )
        return self._between(rest)


def ends_in_escape(chunk: bytes) -> bool:
    """Whether the last byte begins an escape."""
    return (len(chunk) - len(chunk.rstrip(b"\\"))) % 2 == 1


def not_an_object(value: object) -> BadRow:
    """The fault of a value that is no object."""
    kind = {str: "a text", list: "a list", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )
    return BadRow("ROW_NOT_OBJECT", f"the row is {kind}; make it an object with named fields")


def too_long() -> BadRow:
    """The fault of a row that is too long."""
    return BadRow(
        "ROW_TOO_LONG", f"the row is longer than {MOST_ROW_BYTES >> 20} MiB; split it into several examples"
    )


def broken(name: str, offset: int, why: str) -> InvalidArgument:
    """The error for a file that is no JSON."""
    return InvalidArgument(
        "JSON_BROKEN",
        f"{name}: the file is no JSON at about byte {offset}: {why}; mend it there",
        name=name,
        offset=str(offset),
    )


def cut_off(name: str) -> InvalidArgument:
    """The error for a file that ends in the middle of a value."""
    return InvalidArgument(
        "JSON_CUT_OFF",
        f"{name}: the file ends in the middle of a value; it is cut off, or a quotation mark or bracket is "
        "missing: mend it, or send it again",
        name=name,
    )


def lists_many(name: str, first: str, second: str) -> InvalidArgument:
    """The error for an object with two lists of objects."""
    return InvalidArgument(
        "JSON_LISTS_MANY",
        f"{name}: the lists {first!r} and {second!r} both hold objects; say which one to read (field)",
        "field",
        name=name,
    )
