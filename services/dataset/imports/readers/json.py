"""JSON in all its ways: an array, an object that holds a list, objects one after the other, JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

import orjson

from services.dataset.imports.readers.reading import Source
from services.dataset.imports.readers.splitting import Splitter, layout_of, not_an_object, too_long
from services.dataset.imports.readers.streams import opened_text, unpacked_name
from services.dataset.imports.rows import MOST_ROW_BYTES, BadRow, Rows

HEAD_BYTES = 1 << 20
LINES = (".jsonl", ".ndjson")
WHITE = b" \t\r\n\x1e"


def read(source: Source) -> Rows:
    """The rows of a file; of JSON Lines with the numbers of their lines.

    Raises:
        InvalidArgument: the file is no JSON, cut off, damaged or made to swell.
    """
    with opened_text(source.path, source.name, source.options.encoding) as stream:
        head = stream.read(HEAD_BYTES)
    with opened_text(source.path, source.name, source.options.encoding) as stream:
        if not source.options.field and is_lines(head, source.name):
            yield from lines_of(stream)
            return
        values = Splitter(stream, source.name, layout_of(head, source.options.field)).values()
        for number, value in enumerate(values, 1):
            yield number, value if isinstance(value, BadRow) else row_of(value)


def is_lines(head: bytes, name: str) -> bool:
    """Whether a file has an object a line, by its first line; a bad one tells by its brackets."""
    line = head.lstrip(WHITE).partition(b"\n")[0].rstrip(WHITE)
    if not line.startswith(b"{"):
        # A line that is no object is one of many bad lines, or the file is no JSON.
        return not line.startswith(b"[") and bool(line)
    if b"\n" not in head.strip(WHITE):
        named = unpacked_name(name).lower().endswith(LINES)
        return named or (len(head) < HEAD_BYTES and not layout_of(head).key)
    return line.endswith(b"}")


def lines_of(stream: IO[bytes]) -> Rows:
    """The rows of JSON Lines; blank lines are none."""
    number = 0
    # One byte more than a row may have, and its line end.
    most = MOST_ROW_BYTES + 2
    while line := stream.readline(most):
        number += 1
        if len(line) >= most - 1 and not line.endswith(b"\n"):
            yield number, long_line(stream, most)
        elif not line.isspace():
            yield number, row_of(line)


def long_line(stream: IO[bytes], most: int) -> BadRow:
    """Pass over the rest of a line that is too long."""
    while (rest := stream.readline(most)) and not rest.endswith(b"\n"):
        pass
    return too_long()


def row_of(raw: bytes) -> dict[str, Any] | BadRow:
    """An object, or why it is none."""
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return invalid(error)
    if type(row) is not dict:
        return not_an_object(row)
    # A key that comes twice hides what it said first. There are more colons then, or in a text.
    try:
        is_plain = raw.count(b'":') + raw.count(b'" :') == keys_in(row)
    except RecursionError:
        return too_deep()
    return row if is_plain else row_of_unique_keys(raw)


def keys_in(value: dict[str, Any]) -> int:
    """How many keys an object has, with those of all that is in it."""
    count = len(value)
    for inner in value.values():
        kind = type(inner)
        if kind is dict:
            count += keys_in(inner)
        elif kind is list:
            count += sum(keys_in(one) for one in objects_in(inner))
    return count


def objects_in(values: list[Any]) -> Iterator[dict[str, Any]]:
    """The objects of a list and of the lists in it; those in deeper ones only make a row looked at twice."""
    for value in values:
        kind = type(value)
        if kind is dict:
            yield value
        elif kind is list:
            yield from (one for one in value if type(one) is dict)


def row_of_unique_keys(raw: bytes) -> dict[str, Any] | BadRow:
    """The same, more slowly: with a look at every key."""
    doubles: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            doubles.append(next(key for key in keys if keys.count(key) > 1))
        return found

    try:
        json.loads(raw, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return too_deep()
    if doubles:
        return BadRow(
            "KEY_DOUBLE",
            f"the key {doubles[0]!r} comes twice in one object; leave one of them out",
            doubles[0],
        )
    found: dict[str, Any] = orjson.loads(raw)
    return found


def too_deep() -> BadRow:
    """The fault of a row with too many brackets in one another."""
    return BadRow("JSON_INVALID", "the row has too many brackets in one another; make it flatter")


def invalid(error: orjson.JSONDecodeError) -> BadRow:
    """The fault of a row that is no JSON."""
    return BadRow(
        "JSON_INVALID",
        f"the row is no JSON: {error.msg} at character {error.pos + 1}; mend it there (texts stand in double "
        "quotes; NaN, comments and trailing commas are no JSON)",
    )
