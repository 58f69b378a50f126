"""What our trainer reads: `id` and `messages`."""

from __future__ import annotations

import pyarrow as pa

from services.dataset.exports.dressing import Dressed
from services.dataset.exports.shapes.shape import ASKED, NO_FIELD, Row, Shape


class MessagesJsonl(Shape):
    """Messages have a role and a content and nothing else."""

    name = "messages_jsonl"
    kinds = ASKED
    reasoning = NO_FIELD

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        return [{"id": example.id, "messages": example.messages}]

    def schema(self) -> pa.Schema:  # noqa: D102
        return pa.schema({"id": pa.string(), "messages": pa.list_(self.message_type())})
