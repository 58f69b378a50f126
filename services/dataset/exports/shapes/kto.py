"""Answers that are good or bad, a row each, as LLaMA-Factory and TRL read them for KTO."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from services.dataset.exports.dressing import Dressed, Message
from services.dataset.exports.shapes.alpaca import HISTORY
from services.dataset.exports.shapes.preferences import KINDS
from services.dataset.exports.shapes.shape import NO_FIELD, Row, Shape, history, strings
from services.dataset.exports.shapes.sharegpt import TURN, turn


def judged(example: Dressed) -> Iterator[tuple[Message, bool]]:
    """The answers of a preference, each with whether it is good."""
    if example.chosen is not None:
        yield example.chosen, True
    if example.rejected is not None:
        yield example.rejected, False


class KtoLlamaFactory(Shape):
    """LLaMA-Factory's alpaca format with `kto_tag`."""

    name = "kto_llama_factory"
    kinds = KINDS
    reasoning = NO_FIELD

    @property
    def needs_leader(self) -> bool:  # noqa: D102
        return True

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        return [
            {
                "instruction": example.turns[-1]["content"],
                "input": "",
                "output": answer["content"],
                "system": example.system,
                "history": history(example.turns[:-1]),
                "kto_tag": good,
            }
            for answer, good in judged(example)
        ]

    def schema(self) -> pa.Schema:  # noqa: D102
        columns = strings("instruction", "input", "output", "system")
        return columns.append(pa.field("history", HISTORY)).append(pa.field("kto_tag", pa.bool_()))


class KtoLlamaFactorySharegpt(Shape):
    """LLaMA-Factory's sharegpt format with `kto_tag`."""

    name = "kto_llama_factory_sharegpt"
    kinds = KINDS
    reasoning = NO_FIELD

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        said = [turn(message) for message in example.messages]
        return [{"conversations": [*said, turn(answer)], "kto_tag": good} for answer, good in judged(example)]

    def schema(self) -> pa.Schema:  # noqa: D102
        return pa.schema({"conversations": pa.list_(TURN), "kto_tag": pa.bool_()})


class KtoTrl(Shape):
    """TRL's unpaired preferences."""

    name = "kto_trl"
    kinds = KINDS

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        return [
            {"prompt": example.messages, "completion": [answer], "label": good}
            for answer, good in judged(example)
        ]

    def schema(self) -> pa.Schema:  # noqa: D102
        messages = pa.list_(self.message_type())
        return pa.schema({"prompt": messages, "completion": messages, "label": pa.bool_()})
