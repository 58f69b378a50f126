"""Alpaca: `instruction`, `input`, `output`, `system`, and `history` where there are conversations."""

from __future__ import annotations

import pyarrow as pa

from services.dataset.exports.dressing import Dressed
from services.dataset.exports.shapes.shape import ASKED, NO_FIELD, Row, Shape, history, pair, strings

HISTORY = pa.list_(pa.list_(pa.string()))


class Alpaca(Shape):
    """LLaMA-Factory's alpaca format: the last pair of turns, those before it as history."""

    name = "alpaca"
    kinds = ASKED
    reasoning = NO_FIELD

    @property
    def needs_leader(self) -> bool:  # noqa: D102
        return "conversation" in self.present

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        question, answer = pair(example)
        row: Row = {"instruction": question, "input": "", "output": answer, "system": example.system}
        if "conversation" in self.present:
            row["history"] = history(example.turns[:-2])
        return [row]

    def schema(self) -> pa.Schema:  # noqa: D102
        columns = strings("instruction", "input", "output", "system")
        return columns.append(pa.field("history", HISTORY)) if "conversation" in self.present else columns
