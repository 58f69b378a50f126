"""What all shapes have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from services.dataset.exports.dressing import Dressed, Message
from services.dataset.exports.options import REASONING, ExportOptions

Row = dict[str, Any]

ASKED = ("sft", "conversation", "exam_item")
"""Kinds of examples in which questions are answered."""
NO_FIELD = ("none", "tags")
"""Ways with reasoning of shapes whose messages are texts."""

KIND_NOT_CARRIED = "KIND_NOT_CARRIED"
SEVERAL_TURNS = "SEVERAL_TURNS"
ANSWER_MISSING = "ANSWER_MISSING"
MARK_IN_TEXT = "MARK_IN_TEXT"
COLUMN_FAILED = "COLUMN_FAILED"

LEFT_OUT = {
    KIND_NOT_CARRIED: "the shape has no place for examples of this kind",
    SEVERAL_TURNS: "the shape has a place for one question, and the example has several",
    ANSWER_MISSING: "the shape needs a better and a worse answer, and the example has one of them",
    MARK_IN_TEXT: "a text holds a mark by which the shape parts texts",
    COLUMN_FAILED: "a column's template could not be filled",
}
"""Why an example is not in a file, by reason."""


class Shape(ABC):
    """What a row of a file looks like.

    Args:
        options: those of the export.
        kinds: kinds of the examples that the file may get.
    """

    name: ClassVar[str]
    kinds: ClassVar[Sequence[str]]
    """Kinds of examples that it can carry."""
    reasoning: ClassVar[Sequence[str]] = REASONING
    """What it can do with reasoning, what is usual first."""
    reasoning_field: ClassVar[str] = ""
    """Its own name for the field of reasoning; empty for the one that is wished for."""
    needs: ClassVar[Sequence[str]] = ()
    """Columns of the version that it reads besides the content."""

    def __init__(self, options: ExportOptions, kinds: Collection[str]) -> None:
        self.options = options
        self.present = frozenset(kinds) & frozenset(self.kinds)

    @property
    def way(self) -> str:
        """What becomes of reasoning here."""
        return self.options.reasoning or self.reasoning[0]

    @property
    def field(self) -> str:
        """Name of the field of reasoning."""
        return self.reasoning_field or self.options.reasoning_field

    @property
    def marks(self) -> Sequence[str]:
        """Texts that part texts here, and may stand in none."""
        return ()

    @property
    def needs_leader(self) -> bool:
        """Whether there are rows from which a reader of JSON Lines could not guess the types of all columns.

        `datasets`, and LLaMA-Factory by it, guess them from the first ten megabytes, and fail at what comes
        later and is otherwise. Where none of these rows `leads`, the first that does is put first.
        """
        return False

    def leads(self, row: Row) -> bool:
        """Whether a row shows the types of all columns."""
        return bool(row.get("history", True))

    @abstractmethod
    def rows(self, example: Dressed) -> list[Row] | str:
        """The rows of an example, or the reason why there is none."""

    @abstractmethod
    def schema(self) -> pa.Schema:
        """Columns of its Parquet files; their names are the keys of the rows."""

    def message_type(self) -> pa.DataType:
        """Type of a message with `role` and `content`."""
        fields = {"role": pa.string(), "content": pa.string()}
        return pa.struct({**fields, self.field: pa.string()} if self.way == "field" else fields)


def strings(*names: str) -> pa.Schema:
    """Columns of text."""
    return pa.schema({name: pa.string() for name in names})


def pair(example: Dressed) -> tuple[str, str]:
    """The last question and its answer."""
    return example.turns[-2]["content"], example.turns[-1]["content"]


def history(turns: Sequence[Message]) -> list[list[str]]:
    """Questions and answers that came before, in pairs."""
    texts = [turn["content"] for turn in turns]
    return [texts[at : at + 2] for at in range(0, len(texts) - 1, 2)]
