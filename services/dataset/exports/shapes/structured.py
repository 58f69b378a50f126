"""Examples of every kind with all that is known of them, in columns with types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from services.dataset.examples.examples import KINDS
from services.dataset.exports.dressing import Dressed, Message
from services.dataset.exports.shapes.shape import Row, Shape

NEEDS = {
    "score": pa.float64(),
    "labels": pa.list_(pa.string()),
    "tag_ids": pa.list_(pa.string()),
    "language": pa.string(),
    "document_id": pa.string(),
    "question_type": pa.string(),
    "source": pa.string(),
    "review_state": pa.string(),
    "lineage": pa.string(),
}
"""Columns that are handed on as they are; `lineage` is a JSON object."""
QUOTE = {
    "text": pa.string(),
    "chunk_id": pa.string(),
    "document_id": pa.string(),
    "document_version": pa.int32(),
    "start": pa.int64(),
    "end": pa.int64(),
}
EXAM_ITEM = {
    "type": pa.string(),
    "text": pa.string(),
    "choices": pa.list_(pa.string()),
    "correct": pa.list_(pa.int32()),
    "is_true": pa.bool_(),
    "answer": pa.string(),
}


class Structured(Shape):
    """One row for one example, whatever its kind; what it has not is null."""

    name = "structured"
    kinds = KINDS
    reasoning = ("field", "tags", "none")
    reasoning_field = "reasoning"
    needs = tuple(NEEDS)

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        content = example.content
        return [
            {
                "id": example.id,
                "kind": example.kind,
                "messages": example.messages,
                "chosen": example.chosen,
                "rejected": example.rejected,
                "flaw": (content.get("preference") or {}).get("flaw") or None,
                "exam_item": part(content.get("exam_item"), EXAM_ITEM),
                "quotes": [part(quote, QUOTE) for quote in content.get("quotes", ())],
                **example.columns,
            }
        ]

    def schema(self) -> pa.Schema:  # noqa: D102
        message = self.message_type()
        return pa.schema(
            {
                "id": pa.string(),
                "kind": pa.string(),
                "messages": pa.list_(message),
                "chosen": message,
                "rejected": message,
                "flaw": pa.string(),
                "exam_item": pa.struct(EXAM_ITEM),
                "quotes": pa.list_(pa.struct(QUOTE)),
                **NEEDS,
            }
        )


def part(found: Mapping[str, Any] | Message | None, names: Mapping[str, Any]) -> Row | None:
    """A part of an example with all its fields."""
    return None if found is None else {name: found.get(name) for name in names}
