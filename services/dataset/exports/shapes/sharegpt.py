"""ShareGPT: `conversations` of `from` and `value`; the system message comes first."""

from __future__ import annotations

import pyarrow as pa

from services.dataset.exports.dressing import Dressed, Message
from services.dataset.exports.shapes.shape import ASKED, NO_FIELD, Row, Shape

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}
"""ShareGPT's names of the roles."""
TURN = pa.struct({"from": pa.string(), "value": pa.string()})


def turn(message: Message) -> Row:
    """A message as ShareGPT has it."""
    return {"from": SPEAKERS[message["role"]], "value": message["content"]}


class Sharegpt(Shape):
    """LLaMA-Factory's sharegpt format."""

    name = "sharegpt"
    kinds = ASKED
    reasoning = NO_FIELD

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        return [{"conversations": [turn(message) for message in example.messages]}]

    def schema(self) -> pa.Schema:  # noqa: D102
        return pa.schema({"conversations": pa.list_(TURN)})
