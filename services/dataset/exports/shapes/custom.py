"""Columns of one's own, each filled by a template."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
from jinja2 import TemplateError

from services.dataset.examples.examples import KINDS
from services.dataset.exports.dressing import Dressed
from services.dataset.exports.options import ExportOptions
from services.dataset.exports.shapes.shape import COLUMN_FAILED, Row, Shape, strings
from services.dataset.exports.shapes.structured import QUOTE, part
from services.dataset.exports.shapes.templates import TooLong, compiled

NEEDS = ("score", "labels", "tag_ids", "language", "document_id", "question_type", "source", "split")
NO_ITEM = {"type": "", "text": "", "choices": [], "correct": [], "is_true": False, "answer": ""}


class Custom(Shape):
    """One row for one example of any kind; all columns are texts."""

    name = "custom"
    kinds = KINDS
    reasoning = ("field", "tags", "none")
    reasoning_field = "reasoning"
    needs = NEEDS

    def __init__(self, options: ExportOptions, kinds: Collection[str]) -> None:
        super().__init__(options, kinds)
        self._templates = compiled(options.columns)

    def rows(self, example: Dressed) -> list[Row] | str:  # noqa: D102
        values = values_of(example)
        try:
            return [{name: template.render(values) for name, template in self._templates.items()}]
        except (TemplateError, TooLong, TypeError, ValueError, LookupError):
            return COLUMN_FAILED

    def schema(self) -> pa.Schema:  # noqa: D102
        return strings(*self._templates)


def values_of(example: Dressed) -> dict[str, Any]:
    """What templates may name."""
    content, turns = example.content, example.turns
    asked = [turn for turn in turns if turn["role"] == "user"]
    answer = turns[-1] if turns and turns[-1]["role"] == "assistant" else {}
    columns = {name: "" if value is None else value for name, value in example.columns.items()}
    return {
        **columns,
        "id": example.id,
        "kind": example.kind,
        "system": example.system,
        "question": asked[-1]["content"] if asked else "",
        "answer": answer.get("content", ""),
        "reasoning": answer.get("reasoning", ""),
        "messages": [{"reasoning": "", **message} for message in example.messages],
        "chosen": (example.chosen or {}).get("content", ""),
        "rejected": (example.rejected or {}).get("content", ""),
        "flaw": (content.get("preference") or {}).get("flaw", ""),
        "quotes": [part(quote, QUOTE) for quote in content.get("quotes", ())],
        "exam_item": {**NO_ITEM, **(content.get("exam_item") or {})},
    }
