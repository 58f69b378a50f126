"""Texts of rows: what a column says, thoughts at the beginning of an answer, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from services.dataset.imports.rows import BadRow

EMPTY_TEXTS = {"", "[]", "{}", "null", "None"}
"""How tables write a list without anything in it."""
WRITTEN_MESSAGE = re.compile(r'\s*\[?\s*\{\s*"(role|from)"\s*:')
"""How a table has messages: as JSON, a list or a single one."""
TRUE, FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


def text_in(row: Mapping[str, Any], column: str | None) -> str:
    """What a column says; nothing where there is no such column.

    Raises:
        BadRow: it holds something else than a text.
    """
    if column is None:
        return ""
    value = row.get(column)
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise not_text(value, column)


def wanted_text(row: Mapping[str, Any], column: str | None, what: str) -> str:
    """What a column says, which must say something.

    Raises:
        BadRow: it says nothing, or holds something else than a text.
    """
    text = text_in(row, column)
    if not text or text.isspace():
        raise empty(column or what, what)
    return text


def list_in(row: Mapping[str, Any], column: str | None) -> list[Any] | None:
    """The list of a column, also where a table has it as JSON; None without one.

    Raises:
        BadRow: it holds something else.
    """
    if column is None:
        return None
    value = row.get(column)
    if type(value) is list:
        return value
    if value is None:
        return None
    if type(value) is str:
        return list_of_json(value, column)
    raise BadRow("LIST_EXPECTED", f"{column} is no list; make it one", column)


def list_of_json(text: str, column: str) -> list[Any] | None:
    """A list that stands in a text.

    Raises:
        BadRow: there is none.
    """
    if text.strip() in EMPTY_TEXTS:
        return None
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        value = None
    if not isinstance(value, list):
        raise BadRow("LIST_EXPECTED", f"{column} is a text, and no list in JSON; make it one", column)
    return value


def messages_in(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column; one message or several that a table has as JSON are these, no text."""
    value = row.get(column)
    if type(value) is not str or not WRITTEN_MESSAGE.match(value):
        return value
    try:
        return orjson.loads(value)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return value


def flag_in(row: Mapping[str, Any], column: str) -> bool:
    """A column that says yes or no.

    Raises:
        BadRow: it says neither.
    """
    word = str(row.get(column)).strip().lower()
    if word in TRUE | FALSE:
        return word in TRUE
    raise BadRow("FLAG_EXPECTED", f"{column} is neither true nor false; make it one of them", column)


def parted_thoughts(text: str, think: tuple[str, str] | None, field: str) -> tuple[str, str]:
    """The thoughts at the beginning of an answer, and the answer after them.

    Args:
        text: both.
        think: marks around thoughts; None to take them for a part of the answer.
        field: where the text stands, for faults.

    Raises:
        BadRow: the thoughts do not end.
    """
    if think is None or (not text.startswith(think[0]) and not text.lstrip().startswith(think[0])):
        return "", text
    thoughts, mark, answer = text.lstrip()[len(think[0]) :].partition(think[1])
    if not mark:
        raise BadRow(
            "REASONING_OPEN",
            f"{field} begins with {think[0]}, but {think[1]} does not follow; end the thoughts, or "
            "import them as a part of the answer",
            field,
        )
    return thoughts.strip(), answer.lstrip("\r\n")


def refuse_filled(row: Mapping[str, Any], columns: tuple[str, ...], reason: str, message: str) -> None:
    """Refuse a row that fills one of some columns.

    Raises:
        BadRow: it does.
    """
    for column in columns:
        value = row.get(column)
        if value and not (isinstance(value, str) and value.strip() in EMPTY_TEXTS):
            raise BadRow(reason, f"{column}: {message}", column)


def not_text(value: object, field: str) -> BadRow:
    """The fault of a value that is no text."""
    kind = {bool: "true or false", list: "a list", dict: "an object", bytes: "bytes"}.get(
        type(value), "a number"
    )
    return BadRow("TEXT_EXPECTED", f"{field} is {kind}; write it as a text", field)


def empty(field: str, what: str) -> BadRow:
    """The fault of a text that is not there."""
    return BadRow(
        "TEXT_EMPTY",
        f"{field} is empty or missing, and is to be {what}; fill it, or leave the row out",
        field,
    )
