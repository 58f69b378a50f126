"""Pairs of a better and a worse answer, as LLaMA-Factory and TRL read them."""

from __future__ import annotations

from abc import abstractmethod

import pyarrow as pa

from services.dataset.exports.dressing import Dressed, Message
from services.dataset.exports.shapes.alpaca import HISTORY
from services.dataset.exports.shapes.shape import (
    ANSWER_MISSING,
    NO_FIELD,
    SEVERAL_TURNS,
    Row,
    Shape,
    history,
    strings,
)
from services.dataset.exports.shapes.sharegpt import TURN, turn

KINDS = ("preference",)


class PairShape(Shape):
    """A shape of which a row is a pair."""

    kinds = KINDS

    def rows(self, example: Dressed) -> list[Row] | str:  # noqa: D102
        if example.chosen is None or example.rejected is None:
            return ANSWER_MISSING
        return self.paired(example, example.chosen, example.rejected)

    @abstractmethod
    def paired(self, example: Dressed, chosen: Message, rejected: Message) -> list[Row] | str:
        """The rows of a pair, or the reason why there is none."""


class DpoLlamaFactory(PairShape):
    """LLaMA-Factory's alpaca format with `ranking`; turns before the question are history."""

    name = "dpo_llama_factory"
    reasoning = NO_FIELD

    @property
    def needs_leader(self) -> bool:  # noqa: D102
        return True

    def paired(self, example: Dressed, chosen: Message, rejected: Message) -> list[Row]:  # noqa: D102
        return [
            {
                "instruction": example.turns[-1]["content"],
                "input": "",
                "chosen": chosen["content"],
                "rejected": rejected["content"],
                "system": example.system,
                "history": history(example.turns[:-1]),
            }
        ]

    def schema(self) -> pa.Schema:  # noqa: D102
        columns = strings("instruction", "input", "chosen", "rejected", "system")
        return columns.append(pa.field("history", HISTORY))


class DpoLlamaFactorySharegpt(PairShape):
    """LLaMA-Factory's sharegpt format with `ranking`."""

    name = "dpo_llama_factory_sharegpt"
    reasoning = NO_FIELD

    def paired(self, example: Dressed, chosen: Message, rejected: Message) -> list[Row]:  # noqa: D102
        said = [turn(message) for message in example.messages]
        return [{"conversations": said, "chosen": turn(chosen), "rejected": turn(rejected)}]

    def schema(self) -> pa.Schema:  # noqa: D102
        return pa.schema({"conversations": pa.list_(TURN), "chosen": TURN, "rejected": TURN})


class DpoTrl(PairShape):
    """TRL's conversational preferences."""

    name = "dpo_trl"

    def paired(self, example: Dressed, chosen: Message, rejected: Message) -> list[Row]:  # noqa: D102
        return [{"prompt": example.messages, "chosen": [chosen], "rejected": [rejected]}]

    def schema(self) -> pa.Schema:  # noqa: D102
        messages = pa.list_(self.message_type())
        return pa.schema({"prompt": messages, "chosen": messages, "rejected": messages})


class DpoTrlPlain(PairShape):
    """TRL's preferences as texts: one question, before it the system message."""

    name = "dpo_trl_plain"
    reasoning = NO_FIELD

    def paired(self, example: Dressed, chosen: Message, rejected: Message) -> list[Row] | str:  # noqa: D102
        if len(example.turns) > 1:
            return SEVERAL_TURNS
        question = example.turns[0]["content"]
        prompt = f"{example.system}\n\n{question}" if example.system else question
        return [{"prompt": prompt, "chosen": chosen["content"], "rejected": rejected["content"]}]

    def schema(self) -> pa.Schema:  # noqa: D102
        return strings("prompt", "chosen", "rejected")


class DpoAxolotl(PairShape):
    """Axolotl's preferences: the conversation, and a message for each answer."""

    name = "dpo_axolotl"
    reasoning = NO_FIELD

    def paired(self, example: Dressed, chosen: Message, rejected: Message) -> list[Row]:  # noqa: D102
        return [{"messages": example.messages, "chosen": chosen, "rejected": rejected}]

    def schema(self) -> pa.Schema:  # noqa: D102
        message = self.message_type()
        return pa.schema({"messages": pa.list_(message), "chosen": message, "rejected": message})
