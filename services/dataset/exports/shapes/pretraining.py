"""Texts to go on pre-training with."""

from __future__ import annotations

import pyarrow as pa

from services.dataset.exports.dressing import Dressed
from services.dataset.exports.shapes.shape import Row, Shape, strings


class Pretraining(Shape):
    """One `text` a row."""

    name = "pretraining"
    kinds = ("pretraining",)

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        return [{"text": example.turns[-1]["content"]}]

    def schema(self) -> pa.Schema:  # noqa: D102
        return strings("text")
