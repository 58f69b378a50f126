"""What our trainer reads: rows with the `id` of their example, by which it tells what became of them."""

from __future__ import annotations

import pyarrow as pa

from services.dataset.exports.dressing import Dressed, Message
from services.dataset.exports.shapes.kto import KtoTrl
from services.dataset.exports.shapes.preferences import DpoTrl
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


class PreferencesJsonl(DpoTrl):
    """Pairs of a better and a worse answer."""

    name = "preferences_jsonl"
    reasoning = NO_FIELD

    def paired(self, example: Dressed, chosen: Message, rejected: Message) -> list[Row]:  # noqa: D102
        return [{"id": example.id, **row} for row in super().paired(example, chosen, rejected)]

    def schema(self) -> pa.Schema:  # noqa: D102
        return _with_id(super().schema())


class JudgementsJsonl(KtoTrl):
    """Answers that are good or bad; those of a pair have one id."""

    name = "judgements_jsonl"
    reasoning = NO_FIELD

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        return [{"id": example.id, **row} for row in super().rows(example)]

    def schema(self) -> pa.Schema:  # noqa: D102
        return _with_id(super().schema())


def _with_id(columns: pa.Schema) -> pa.Schema:
    return columns.insert(0, pa.field("id", pa.string()))
