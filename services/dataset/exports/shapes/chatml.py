"""ChatML: a conversation as one `text`, as Qwen's chat template writes it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from services.dataset.exports.dressing import Dressed
from services.dataset.exports.shapes.shape import ASKED, NO_FIELD, Row, Shape, strings

BEGIN, END = "<|im_start|>", "<|im_end|>"


class Chatml(Shape):
    """A text that holds one of the marks by which messages are parted has no place in it."""

    name = "chatml"
    kinds = ASKED
    reasoning = NO_FIELD

    @property
    def marks(self) -> Sequence[str]:  # noqa: D102
        return (BEGIN, END)

    def rows(self, example: Dressed) -> list[Row]:  # noqa: D102
        parts = [f"{BEGIN}{one['role']}\n{one['content']}{END}\n" for one in example.messages]
        return [{"text": "".join(parts)}]

    def schema(self) -> pa.Schema:  # noqa: D102
        return strings("text")
