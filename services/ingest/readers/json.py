"""JSON and JSON Lines: records as lists of `**key**: value`, or as a table where they are flat and alike.

Numbers stay as they are written, and keys that a record holds twice stay twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from json import JSONDecodeError, JSONDecoder

from services.ingest.readers import markdown
from services.ingest.readers.draft import Draft
from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.text import text_of
from services.runtime.errors import InvalidArgument

JSONL = "application/jsonl"
MOST_DEPTH = 64
MOST_COLUMNS = 12
LONG_CHARS = 120
"""A longer string is a paragraph of its own, and no cell of a table."""
MOST_OF_TEXT = 4
"""By so much JSON may be longer than the longest text that is made of it."""
SPACE = re.compile(r"[ \t\n\r]*")
NO_CHARACTER = re.compile("[\x00\ud800-\udfff]")
"""Escapes can write what no text holds: NUL, and halves of characters."""
WORDS = {True: "true", False: "false", None: "null"}
RULE = "---"


class Literal(str):
    """A number as it is written; a plain `str` is a string."""

    __slots__ = ()


class Record(list[tuple[str, object]]):
    """The pairs of an object, in order."""

    __slots__ = ()


DECODER = JSONDecoder(
    object_pairs_hook=Record, parse_float=Literal, parse_int=Literal, parse_constant=Literal
)


def read(source: Source) -> Reading:
    """Convert to Markdown; values that follow one another are read like those of a list.

    Raises:
        InvalidArgument: it is no JSON, or nested too deeply, or holds too much text.
    """
    # Its quotes, names and brackets do not count: what is made of it may be much shorter.
    text = text_of(source, MOST_OF_TEXT * source.most_chars)
    draft, starts = Draft(source), list[int]()
    try:
        first = list(islice(values(text, source.media_type), 2))
        if len(first) == 1 and text.lstrip()[0] == "{":
            write_object(draft, starts, first[0])
        else:
            write_list(draft, starts, lambda: values(text, source.media_type))
    except JSONDecodeError as error:
        raise invalid(source.name, error) from error
    except RecursionError:
        raise too_deep(source.name) from None
    # A character for a character, so that all offsets stay.
    whole = NO_CHARACTER.sub("\ufffd", draft.text())
    return checked(Reading(whole, row_starts=starts), source.name)


def values(text: str, media_type: str) -> Iterator[object]:
    """The values of a list, one at a time, or values that follow one another, as in JSON Lines.

    Raises:
        JSONDecodeError: this is no JSON.
        RecursionError: it is nested too deeply.
    """
    place = after_space(text, 0)
    if media_type != JSONL and text.startswith("[", place):
        yield from elements(text, place)
        return
    while place < len(text):
        value, place = DECODER.raw_decode(text, place)
        yield value
        place = after_space(text, place)


def elements(text: str, place: int) -> Iterator[object]:
    """The elements of the list that starts at a place, and is all."""
    place = after_space(text, place + 1)
    closed = text.startswith("]", place)
    while not closed:
        value, place = DECODER.raw_decode(text, place)
        yield value
        place = after_space(text, place)
        closed = text.startswith("]", place)
        if not closed:
            if not text.startswith(",", place):
                raise JSONDecodeError("Expecting ',' delimiter", text, place)
            place = after_space(text, place + 1)
    place = after_space(text, place + 1)
    if place < len(text):
        raise JSONDecodeError("Extra data", text, place)


def after_space(text: str, place: int) -> int:
    """Where the next token starts."""
    match = SPACE.match(text, place)
    return match.end() if match else place


def write_object(draft: Draft, starts: list[int], record: object) -> None:
    """The one object of a document: its lists and objects get headings."""
    pairs = record if isinstance(record, Record) else Record()
    plain = Record()
    headed = False
    for key, value in pairs:
        headed = headed or (isinstance(value, list) and bool(value))
        if not headed:
            plain.append((key, value))
            continue
        draft.add_block(block(plain) if plain else "")
        plain.clear()
        draft.add_block(markdown.heading(2, label(key)))
        if isinstance(value, list) and not isinstance(value, Record):
            write_list(draft, starts, value.__iter__)
        else:
            draft.add_block(block(value) if isinstance(value, list) else scalar(value))
    draft.add_block(block(plain) if plain else "")


def write_list(draft: Draft, starts: list[int], values: Callable[[], Iterator[object]]) -> None:
    """The values of a list: a table, or block after block; each is a row."""
    columns = columns_of(values())
    if columns:
        draft.add_block(markdown.line(columns, 0) + markdown.delimiter_line(len(columns)))
        for record in values():
            starts.append(draft.length)
            draft.add(markdown.line([scalar(value) for _, value in pairs_of(record)], 0))
        return
    before = ""
    for value in values():
        written = block(value)
        if before.startswith("- ") and written.startswith("- ") and "\n" not in before + written:
            draft.add("\n")
            starts.append(draft.length)
            draft.add(written)
        else:
            draft.add_block(RULE if before else "")
            starts.append(draft.add_block(written))
        before = written


def columns_of(values: Iterator[object]) -> Sequence[str]:
    """The keys that all values have, if they make a table: at least two flat, short and alike."""
    keys: list[str] = []
    count = 0
    for count, value in enumerate(values, start=1):
        pairs = pairs_of(value)
        if count == 1:
            keys = [key for key, _ in pairs]
        if not 0 < len(pairs) <= MOST_COLUMNS or len(set(keys)) < len(keys):
            return ()
        if [key for key, _ in pairs] != keys or not all(is_short(value) for _, value in pairs):
            return ()
    return keys if count > 1 else ()


def pairs_of(value: object) -> Record:
    """The pairs of an object; none of any other value."""
    return value if isinstance(value, Record) else Record()


def is_short(value: object) -> bool:
    """Whether a value fits into a line."""
    if isinstance(value, str):
        return len(value) <= LONG_CHARS and not markdown.LINE_BREAK.search(value)
    return not isinstance(value, list) or not value


def block(value: object) -> str:
    """A value as lines and paragraphs, without line end.

    Raises:
        RecursionError: it is nested too deeply.
    """
    if not isinstance(value, list) or not value:
        return scalar(value) if not is_short(value) else f"- {scalar(value)}"
    parts: list[str] = []
    for key, one in value if isinstance(value, Record) else (("", one) for one in value):
        name = f"**{label(key)}**:" if isinstance(value, Record) else ""
        if isinstance(one, str) and not is_short(one):
            parts.append("\n".join(["", name, ""] if name else [""]) + "\n" + scalar(one).strip("\n") + "\n")
        else:
            parts.extend(entry(name, one, 0))
    return "\n".join(parts).strip("\n")


def entry(name: str, value: object, level: int) -> Iterator[str]:
    """The lines of an item of a list, and of what is in it.

    Raises:
        RecursionError: it is nested too deeply.
    """
    if level > MOST_DEPTH:
        raise RecursionError
    if not isinstance(value, list) or not value:
        yield markdown.item(level, f"{name} {scalar(value)}".strip())
        return
    start = "  " * level + "- "
    if name:
        yield start + name
    inner: Iterator[tuple[str, object]] = (
        ((f"**{label(key)}**:", one) for key, one in value)
        if isinstance(value, Record)
        else (("", one) for one in value)
    )
    for number, (inner_name, one) in enumerate(inner):
        for line_number, line in enumerate(entry(inner_name, one, level + 1)):
            # A list in a list starts on the line of the item that holds it.
            first = not name and number == line_number == 0
            yield start + line.lstrip(" ") if first else line


def label(key: str) -> str:
    """A key in one line."""
    return " ".join(key.split()) or '""'


def scalar(value: object) -> str:
    """A value that is no list or object, or an empty one, as it is written; a string without its quotes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "{}" if isinstance(value, Record) else "[]"
    return WORDS[value]  # type: ignore[index]  # JSON has no other values


def invalid(name: str, error: JSONDecodeError) -> InvalidArgument:
    """The error for what is no JSON."""
    return InvalidArgument(
        "JSON_INVALID",
        f"{name}: line {error.lineno}, column {error.colno} is no JSON ({error.msg}); mend it there",
        name=name,
        line=str(error.lineno),
        offset=str(error.pos),
    )


def too_deep(name: str) -> InvalidArgument:
    """The error for JSON that no list can show."""
    return InvalidArgument(
        "JSON_TOO_DEEP",
        f"{name}: its values are nested more than {MOST_DEPTH} deep; flatten them",
        name=name,
        most_depth=str(MOST_DEPTH),
    )
