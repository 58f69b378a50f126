"""From rows to examples: every row becomes an example or a fault, in order, and none is lost."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from services.dataset.examples.languages import LOOKED_AT, language_of
from services.dataset.imports.rows import BadRow, Columns, Fault, Imported, Row, Rows, encoded
from services.dataset.imports.shapes import SHAPES, MapOptions, Mapper, Shape, detected, mapper_of
from services.dataset.imports.shapes.chats import MEDIA_UNSUPPORTED, TOOLS_UNSUPPORTED
from services.dataset.imports.shapes.detection import ROWS
from services.dataset.imports.shapes.own import check_lineage
from services.dataset.imports.shapes.table import COLUMNS, OWN, family_of, question_columns
from services.dataset.imports.shapes.texts import refuse_filled
from services.runtime.errors import InvalidArgument

MEDIA = ("images", "image", "videos", "video", "audios", "audio")
TOOLS = ("tools", "tool_calls", "functions")
UNKEPT = frozenset(MEDIA + TOOLS)
"""Columns that examples have not."""
NUL = b"\\u0000"
REASONING = b'"reasoning":'
HIGHEST_SCORE = 5
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SEPARATORS = re.compile(r"[,，;；、|]")
MOST_LABELS, LONGEST_LABEL = 50, 100
KEY_BYTES = 16
WHOLE = {"preference", "pretraining"}
"""Kinds of which all that is said makes a duplicate, not what is asked only."""


@dataclass(frozen=True)
class Wanted:
    """What a person says of rows.

    Args:
        shape: name of their shape; empty to find out.
        columns: what is in which column, over what the shape says; None for what it says.
        labels: labels of every example.
        options: how rows become examples.
    """

    shape: str = ""
    columns: Columns | None = None
    labels: tuple[str, ...] = ()
    options: MapOptions = field(default_factory=MapOptions)


def shape_of(rows: Sequence[Row], name: str, wanted: Wanted, stated: Shape | None = None) -> Shape:
    """The shape of a file's rows.

    Args:
        rows: the first of them.
        name: of the file.
        wanted: what a person says.
        stated: what a description beside the file says.

    Raises:
        InvalidArgument: there is no such shape, or it cannot be told.
    """
    if wanted.shape and wanted.shape not in SHAPES:
        raise InvalidArgument(
            "SHAPE_UNSUPPORTED",
            f"there is no shape {wanted.shape!r}; use one of {', '.join(SHAPES)}",
            "shape",
            shape=wanted.shape,
        )
    if wanted.columns and wanted.shape in {"", COLUMNS.name}:
        return replace(COLUMNS, columns=wanted.columns, family=family_of(wanted.columns))
    if wanted.columns:
        return replace(SHAPES[wanted.shape], columns=wanted.columns)
    if wanted.shape:
        return named(SHAPES[wanted.shape], rows, name)
    return stated or detected(rows, name)


def named(shape: Shape, rows: Sequence[Row], name: str) -> Shape:
    """A shape that a person names, with the columns of the file.

    Raises:
        InvalidArgument: it needs columns, and the file does not tell them.
    """
    if shape.columns != Columns():
        return shape
    row = next((row for _, row in rows if not isinstance(row, BadRow)), {})
    columns = question_columns(row) if shape is not COLUMNS else None
    if columns is None:
        raise InvalidArgument(
            "COLUMNS_MISSING",
            f"{name}: say what is in which column (columns), such as instruction=question and answer=reply; "
            f"the file has {', '.join(row) or 'none'}"[:500],
            "columns",
            name=name,
        )
    return replace(shape, columns=columns)


def converted(
    rows: Rows,
    name: str,
    wanted: Wanted,
    stated: Shape | None = None,
    tell: Callable[[Set[str]], None] = lambda columns: None,
) -> Iterator[Imported | Fault]:
    """What becomes of the rows of a file, in their order.

    Args:
        rows: as a reader gives them.
        name: of the file.
        wanted: what a person says of them.
        stated: the shape that a description beside the file says.
        tell: is told which columns are looked at, once the shape is known.

    Raises:
        InvalidArgument: the file cannot be read, or its shape cannot be told.
    """
    first = list(itertools.islice(rows, ROWS))
    if not first:
        return
    shape = shape_of(first, name, wanted, stated)
    tell(shape.reads | UNKEPT)
    finish = Finish(name, shape, wanted.labels)
    mapper = mapper_of(shape, wanted.options)
    for number, row in itertools.chain(first, rows):
        if type(row) is dict:
            try:
                yield finish.example(number, row, mapper)
            except BadRow as bad:
                yield Fault(name, number, bad.field, bad.reason, bad.message)
        else:
            assert isinstance(row, BadRow)  # noqa: S101  # a reader gives nothing else
            yield Fault(name, number, row.field, row.reason, row.message)


class Finish:
    """Makes examples of what rows say.

    Args:
        name: of their file.
        shape: theirs.
        labels: of every example.
    """

    def __init__(self, name: str, shape: Shape, labels: tuple[str, ...]) -> None:
        self._name = name
        self._columns = shape.columns
        self._labels = labels
        self._is_own = shape.family == OWN

    def example(self, number: int, row: dict[str, Any], mapper: Mapper) -> Imported:
        """The example that a row is.

        Raises:
            BadRow: it is none.
        """
        if not self._is_own and not UNKEPT.isdisjoint(row):
            refuse_filled(row, TOOLS, "TOOLS_UNSUPPORTED", TOOLS_UNSUPPORTED)
            refuse_filled(row, MEDIA, "MEDIA_UNSUPPORTED", MEDIA_UNSUPPORTED)
        kind, content = mapper(row)
        data = encoded(content)
        if NUL in data:
            refuse_nul(content)
        messages = content["messages"]
        if "preference" in content:
            sides = content["preference"]
            messages = [*messages, *(sides[side] for side in ("chosen", "rejected") if side in sides)]
        texts = [message["content"] for message in messages]
        characters = sum(map(len, texts))
        if REASONING in data:
            characters += sum([len(message.get("reasoning", "")) for message in messages])
        columns = self._columns
        return Imported(
            self._name,
            number,
            kind,
            data,
            key_of(kind, messages, texts),
            characters,
            len(messages) - (messages[0]["role"] == "system"),
            language_of(" ".join([text[:LOOKED_AT] for text in texts])),
            score_of(row, columns.score) if columns.score else None,
            self._labels + labels_of(row, columns.labels) if columns.labels else self._labels,
            lineage_of(row, columns.lineage) if columns.lineage else b"",
            ids_of(row, columns.tags) if columns.tags else (),
        )


def key_of(kind: str, messages: Sequence[Mapping[str, str]], texts: Sequence[str]) -> bytes:
    """Equal for exact duplicates, runs of blanks made one space, as `Example.key` has it."""
    if kind in WHOLE:
        told = [kind, *texts]
    else:
        told = [text for message, text in zip(messages, texts, strict=True) if message["role"] == "user"]
    return hashlib.sha256(" ".join("\n".join(told).split()).encode()).digest()[:KEY_BYTES]


def refuse_nul(value: object, field: str = "") -> None:
    """Refuse a content with a NUL character, which the database cannot keep.

    Raises:
        BadRow: it has one.
    """
    if isinstance(value, str) and "\0" in value:
        raise BadRow("TEXT_NUL", f"{field} holds a NUL character; take it out", field)
    if isinstance(value, dict):
        for key, one in value.items():
            refuse_nul(key, field)
            refuse_nul(one, f"{field}.{key}".strip("."))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            refuse_nul(one, f"{field}[{place}]")


def score_of(row: Mapping[str, Any], column: str) -> float | None:
    """The score of a row, if it has one.

    Raises:
        BadRow: it is none from 0 to 5.
    """
    value = row.get(column)
    if value is None or value == "":
        return None
    try:
        score = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError):
        score = -1.0
    if not 0 <= score <= HIGHEST_SCORE:
        raise BadRow(
            "SCORE_INVALID", f"{column} is {value!r}"[:100] + "; give a number from 0 to 5, or none", column
        )
    return score


def labels_of(row: Mapping[str, Any], column: str) -> tuple[str, ...]:
    """The labels of a row: a list of texts, or one text with separators.

    Raises:
        BadRow: they are something else, too many or too long.
    """
    value = row.get(column)
    if value is None:
        return ()
    values = SEPARATORS.split(value) if isinstance(value, str) and not value.startswith("[") else value
    if isinstance(values, str):
        try:
            values = orjson.loads(values)
        except orjson.JSONDecodeError:
            values = SEPARATORS.split(values)
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise BadRow("LABELS_INVALID", f"{column} is no list of texts; make it one", column)
    labels = tuple(dict.fromkeys(label for one in values if (label := one.strip())))
    if len(labels) > MOST_LABELS or any(len(one) > LONGEST_LABEL or "\0" in one for one in labels):
        raise BadRow(
            "LABELS_INVALID",
            f"{column} has more than {MOST_LABELS} labels, or one longer than {LONGEST_LABEL} "
            "characters; use fewer",
            column,
        )
    return labels


def lineage_of(row: Mapping[str, Any], column: str) -> bytes:
    """Where an example of an export of our own came from, as JSON.

    Raises:
        BadRow: it is no object.
    """
    value = row.get(column)
    if value in (None, ""):
        return b""
    try:
        lineage = orjson.loads(value) if isinstance(value, str) else value
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        lineage = None
    if not isinstance(lineage, dict):
        raise BadRow("CONTENT_INVALID", f"{column} is no object in JSON; export the examples anew", column)
    refuse_nul(lineage, column)
    check_lineage(lineage, column)
    return encoded(lineage)


def json_in(text: str) -> object:
    """What a text says as JSON; nothing if it is none."""
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None


def ids_of(row: Mapping[str, Any], column: str) -> tuple[str, ...]:
    """The ids of a column.

    Raises:
        BadRow: it holds something else.
    """
    value = row.get(column) or []
    values = json_in(value) if isinstance(value, str) else value
    if not isinstance(values, list) or not all(
        isinstance(one, str) and UUID.fullmatch(one) for one in values
    ):
        raise BadRow("CONTENT_INVALID", f"{column} is no list of UUIDs; export the examples anew", column)
    return tuple(values)
