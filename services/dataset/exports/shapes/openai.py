"""OpenAI's chat format: `messages` of `role` and `content`."""

from __future__ import annotations

import pyarrow as pa

from services.dataset.exports.dressing import Dressed
from services.dataset.exports.shapes.shape import ASKED, Row, Shape


class Openai(Shape):
    """What OpenAI's fine-tuning, TRL, Axolotl and ms-swift read."""

    name = "openai"
    kinds = ASKED
    reasoning = ("none", "tags", "field")

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        return [{"messages": example.messages}]

    def schema(self) -> pa.Schema:  # noqa: D102
        return pa.schema({"messages": pa.list_(self.message_type())})
