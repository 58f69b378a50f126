"""Preferences as ms-swift reads them: the good answer ends the messages."""

from __future__ import annotations

import pyarrow as pa

from services.dataset.exports.dressing import Dressed, Message
from services.dataset.exports.shapes.kto import judged
from services.dataset.exports.shapes.preferences import KINDS, PairShape
from services.dataset.exports.shapes.shape import NO_FIELD, Row, Shape


class DpoSwift(PairShape):
    """ms-swift's pairs: `messages` with the better answer, `rejected_response`."""

    name = "dpo_ms_swift"
    reasoning = NO_FIELD

    def paired(self, example: Dressed, chosen: Message, rejected: Message) -> list[Row]:  # noqa: D102
        return [{"messages": [*example.messages, chosen], "rejected_response": rejected["content"]}]

    def schema(self) -> pa.Schema:  # noqa: D102
        return pa.schema({"messages": pa.list_(self.message_type()), "rejected_response": pa.string()})


class KtoSwift(Shape):
    """ms-swift's single answers: `messages`, `label`."""

    name = "kto_ms_swift"
    kinds = KINDS
    reasoning = NO_FIELD

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        return [{"messages": [*example.messages, answer], "label": good} for answer, good in judged(example)]

    def schema(self) -> pa.Schema:  # noqa: D102
        return pa.schema({"messages": pa.list_(self.message_type()), "label": pa.bool_()})


class PretrainingSwift(Shape):
    """ms-swift's texts for `swift pt`: one message of the assistant."""

    name = "pretraining_ms_swift"
    kinds = ("pretraining",)
    reasoning = NO_FIELD

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        text = example.turns[-1]["content"]
        return [{"messages": [{"role": "assistant", "content": text}]}]

    def schema(self) -> pa.Schema:  # noqa: D102
        return pa.schema({"messages": pa.list_(self.message_type())})
