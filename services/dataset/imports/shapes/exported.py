"""Rows of exports of our own in the shape `structured`: a column for each part of a content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from services.dataset.imports.rows import Columns
from services.dataset.imports.shapes import own
from services.dataset.imports.shapes.families import Content, Said
from services.dataset.imports.shapes.table import PARTS


def structured(row: Mapping[str, Any]) -> Said:
    """The kind and the content of a row that has a column for each part.

    Raises:
        BadRow: they are none.
    """
    parts = {name: filled(parsed(row.get(name), name)) for name in PARTS}
    content: Content = {"messages": parts["messages"] or []}
    preference = {name: parts[name] for name in ("chosen", "rejected", "flaw") if parts[name]}
    if preference:
        content["preference"] = preference
    content |= {name: parts[name] for name in ("exam_item", "quotes") if parts[name]}
    return own.mapped({"kind": row.get("kind"), "content": content}, Columns())


def parsed(value: Any, name: str) -> Any:
    """A part; in a CSV file it stands as JSON.

    Raises:
        BadRow: it is none.
    """
    if not isinstance(value, str) or name == "flaw" or not value:
        return value
    try:
        return orjson.loads(value)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise own.invalid(name, "is no JSON") from error


def filled(value: Any) -> Any:
    """A part without what is null; a message without reasoning has none that is empty."""
    if isinstance(value, list):
        return [filled(one) for one in value]
    if isinstance(value, dict):
        return {
            name: filled(one)
            for name, one in value.items()
            if one is not None and (name != "reasoning" or one != "")
        }
    return value
