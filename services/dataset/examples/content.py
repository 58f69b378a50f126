"""The content and the lineage of an example as JSON: the same in Postgres, in Parquet and in exports.

Empty fields are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from services.dataset.examples.examples import (
    ExamItem,
    Example,
    Lineage,
    Message,
    Origin,
    Preference,
    Quote,
)

CONTENT = ("messages", "preference", "exam_item", "quotes")
ORIGINS = {"question_origin", "answer_origin"}


def content_json(example: Example) -> str:
    """What an example says: messages, preference, exam item, quotes."""
    return json_of({name: plain(getattr(example, name)) for name in CONTENT})


def lineage_json(lineage: Lineage) -> str:
    """How an example came to be."""
    return json_of(plain(lineage))


def content_of(text: str | bytes) -> dict[str, Any]:
    """The fields of an example that its content holds.

    Raises:
        ValueError: the text is no JSON.
        TypeError: it is no content.
    """
    values = orjson.loads(text)
    preference, item = values.get("preference"), values.get("exam_item")
    return {
        "messages": [Message(**message) for message in values.get("messages", ())],
        "preference": preference_of(preference) if preference else None,
        "exam_item": ExamItem(**item) if item else None,
        "quotes": [Quote(**quote) for quote in values.get("quotes", ())] or (),
    }


def preference_of(values: Mapping[str, Any]) -> Preference:
    """A preference from its JSON value."""
    chosen, rejected = values.get("chosen"), values.get("rejected")
    return Preference(
        Message(**chosen) if chosen else None,
        Message(**rejected) if rejected else None,
        values.get("flaw", ""),
    )


def lineage_of(text: str | bytes) -> Lineage:
    """A lineage from its JSON."""
    values: dict[str, Any] = orjson.loads(text)
    for name in ORIGINS & values.keys():
        values[name] = Origin(**values[name])
    return Lineage(**values)


def plain(value: Any) -> Any:
    """A dataclass, or a list of them, as JSON values without what is empty."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return dict(value)
    if not hasattr(value, "__dataclass_fields__"):
        return value
    return {name: plain(each) for name, each in vars(value).items() if not is_empty(each)}


def is_empty(value: Any) -> bool:
    """Whether a field says nothing: it is the default of its class."""
    return value is None or value is False or value in ("", 0, (), [], {})


def json_of(values: Mapping[str, Any]) -> str:
    """Compact JSON of the fields that are not empty."""
    return orjson.dumps({name: value for name, value in values.items() if not is_empty(value)}).decode()
