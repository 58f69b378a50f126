"""JSON and JSON Lines: records as lists of `**key**: value`, or as a table where they are flat and alike.

Numbers stay as they are written, and keys that a record holds twice stay twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from json import JSONDecodeError, JSONDecoder

from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.text_builder import TextBuilder
from services.ingest.readers.shared.texts import text_of
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
FULL = re.compile(r"[\[{][ \t\n\r]*[^\]} \t\n\r]")
"""Where a list or object starts that is not empty."""
TOP_LEVEL = 2
LAST_LEVEL = 4
"""Levels of headings; what is nested more deeply is a list of lists."""
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
    text, encoding = text_of(source, MOST_OF_TEXT * source.most_chars)
    writer = Writer(source, text)
    try:
        writer.write_all()
    except JSONDecodeError as error:
        raise invalid(source.name, error) from error
    except RecursionError:
        raise too_deep(source.name) from None
    # A character for a character, so that all offsets stay.
    whole = NO_CHARACTER.sub("\ufffd", writer.builder.text())
    return checked(Reading(whole, row_starts=writer.rows, encoding=encoding), source.name)


class Writer:
    """The Markdown of some JSON in the making; lists are read element by element, as they may be long.

    Args:
        source: the file.
        text: what it holds.
    """

    def __init__(self, source: Source, text: str) -> None:
        self._source = source
        self._text = text
        self.builder = TextBuilder(source)
        self.rows: list[int] = []

    def write_all(self) -> None:
        """One object, or the values of a list, or values that follow one another."""
        place = after_space(self._text, 0)
        if self._source.media_type != JSONL and self._text.startswith("{", place):
            if after_space(self._text, self._write_object(place, TOP_LEVEL)) == len(self._text):
                return
            self.builder, self.rows = TextBuilder(self._source), []
        self._write_list(lambda: values(self._text, self._source.media_type))

    def _write_object(self, place: int, level: int) -> int:
        """An object whose lists and objects get headings; return where it ends."""
        plain = Record()
        headed = False
        place, closed = first_in(self._text, place, "}")
        while not closed:
            key, place = key_at(self._text, place)
            opens = level <= LAST_LEVEL and FULL.match(self._text, place)
            headed = headed or bool(opens)
            if headed:
                self._write_plain(plain)
                self.builder.add_block(markdown.heading(level, label(key)))
            if opens and self._text[place] == "{":
                place = self._write_object(place, level + 1)
            elif opens:
                place = self._write_elements(place)
            else:
                value, place = DECODER.raw_decode(self._text, place)
                if headed:
                    is_list = isinstance(value, list) and bool(value)
                    self.builder.add_block(block(value) if is_list else scalar(value))
                else:
                    plain.append((key, value))
            place, closed = after_value(self._text, place, "}")
        self._write_plain(plain)
        return place

    def _write_plain(self, record: Record) -> None:
        """The pairs so far, which are then forgotten."""
        if record:
            self.builder.add_block(block(record))
            record.clear()

    def _write_elements(self, place: int) -> int:
        """The list that starts at a place; return where it ends."""
        ends: list[int] = []

        def values() -> Iterator[object]:
            ends.append((yield from elements(self._text, place)))

        self._write_list(values)
        return ends[-1]

    def _write_list(self, values: Callable[[], Iterator[object]]) -> None:
        """The values of a list: a table, or block after block; each is a row."""
        columns = columns_of(values())
        if columns:
            self.builder.add_block(markdown.line(columns, 0) + markdown.delimiter_line(len(columns)))
            for record in values():
                self.rows.append(self.builder.length)
                self.builder.add(markdown.line([scalar(value) for _, value in pairs_of(record)], 0))
            return
        before = ""
        for value in values():
            written = block(value)
            if before.startswith("- ") and written.startswith("- ") and "\n" not in before + written:
                self.builder.add("\n")
                self.rows.append(self.builder.length)
                self.builder.add(written)
            else:
                self.builder.add_block(RULE if before else "")
                self.rows.append(self.builder.add_block(written))
            before = written


def values(text: str, media_type: str) -> Iterator[object]:
    """The values of a list, one at a time, or values that follow one another, as in JSON Lines.

    Raises:
        JSONDecodeError: this is no JSON.
        RecursionError: it is nested too deeply.
    """
    place = after_space(text, 0)
    if media_type != JSONL and text.startswith("[", place):
        place = after_space(text, (yield from elements(text, place)))
        if place < len(text):
            raise JSONDecodeError("Extra data", text, place)
        return
    while place < len(text):
        value, place = value_at(text, place, media_type)
        yield value
        place = after_space(text, place)


def value_at(text: str, place: int, media_type: str) -> tuple[object, int]:
    """One of the values that follow one another, and where it ends.

    Raises:
        JSONDecodeError: this is no JSON. A line of JSON Lines that holds no whole value is to blame itself,
            not the next one, though a value may go on there.
    """
    try:
        return DECODER.raw_decode(text, place)
    except JSONDecodeError as error:
        end = text.find("\n", place)
        if media_type == JSONL and 0 <= end < error.pos:
            raise JSONDecodeError(f"its value ends in no line, {error.msg} later", text, end) from None
        raise


def elements(text: str, place: int) -> Generator[object, None, int]:
    """The elements of the list that starts at a place; returns where it ends."""
    place, closed = first_in(text, place, "]")
    while not closed:
        value, place = DECODER.raw_decode(text, place)
        yield value
        place, closed = after_value(text, place, "]")
    return place


def first_in(text: str, place: int, closing: str) -> tuple[int, bool]:
    """Where the first part of a list or object starts; where it ends, and true, if there is none."""
    place = after_space(text, place + 1)
    closed = text.startswith(closing, place)
    return place + closed, closed


def after_value(text: str, place: int, closing: str) -> tuple[int, bool]:
    """Where the next part of a list or object starts; where it ends, and true, if there is none."""
    place = after_space(text, place)
    if text.startswith(closing, place):
        return place + 1, True
    if not text.startswith(",", place):
        raise JSONDecodeError("Expecting ',' delimiter", text, place)
    return after_space(text, place + 1), False


def key_at(text: str, place: int) -> tuple[str, int]:
    """The key that starts at a place, and where its value starts."""
    if not text.startswith('"', place):
        raise JSONDecodeError("Expecting property name enclosed in double quotes", text, place)
    key, place = DECODER.raw_decode(text, place)
    place = after_space(text, place)
    if not text.startswith(":", place):
        raise JSONDecodeError("Expecting ':' delimiter", text, place)
    return key, after_space(text, place + 1)


def after_space(text: str, place: int) -> int:
    """Where the next token starts."""
    match = SPACE.match(text, place)
    return match.end() if match else place


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
