"""An example as an export tells it: with the system prompt and the reasoning as they were wished for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.dataset.exports.options import ExportOptions

Message = dict[str, Any]

BARE = 2
"""Fields of a message that has a role and a content and nothing else."""


@dataclass(slots=True)
class Dressed:
    """An example that a shape makes rows of.

    Args:
        id: of the example.
        kind: its kind.
        system: the system message; empty for none.
        turns: the other messages: role, content, perhaps reasoning in a field.
        chosen: the better answer of a preference.
        rejected: the worse one.
        content: what is stored of it.
        columns: its columns that the shape asked for.
    """

    id: str
    kind: str
    system: str
    turns: list[Message]
    chosen: Message | None
    rejected: Message | None
    content: Mapping[str, Any]
    columns: Mapping[str, Any]

    @property
    def messages(self) -> list[Message]:
        """All messages, that of the system first."""
        if not self.system:
            return self.turns
        return [{"role": "system", "content": self.system}, *self.turns]

    @property
    def single(self) -> bool:
        """Whether it has one question at most."""
        return len(self.turns) <= 2


class Dressing:
    """Dresses examples.

    Args:
        options: those of the export.
        reasoning: `none`, `tags` or `field`.
        field: name of the reasoning's field.
    """

    def __init__(self, options: ExportOptions, reasoning: str, field: str) -> None:
        self._prompt = options.system_prompt
        self._replace = options.replace_system
        self._open, self._close = options.reasoning_open, options.reasoning_close
        self._message = {"none": self._bare, "tags": self._tagged, "field": self._with_field}[reasoning]
        self._field = field

    def dress(
        self, example_id: str, kind: str, content: Mapping[str, Any], columns: Mapping[str, Any]
    ) -> Dressed:
        """An example as the export tells it."""
        messages: Sequence[Message] = content.get("messages", ())
        system = ""
        if messages and messages[0]["role"] == "system":
            system, messages = messages[0]["content"], messages[1:]
        if (self._prompt or self._replace) and kind != "pretraining":
            system = self._system(system)
        told = self._message
        chosen = rejected = None
        if preference := content.get("preference"):
            chosen, rejected = (
                self._answer(preference.get("chosen")),
                self._answer(preference.get("rejected")),
            )
        turns = [told(one) for one in messages]
        return Dressed(example_id, kind, system, turns, chosen, rejected, content, columns)

    def _system(self, own: str) -> str:
        if self._replace or not own:
            return self._prompt
        return f"{self._prompt}\n\n{own}" if self._prompt else own

    def _answer(self, message: Message | None) -> Message | None:
        return self._message({"role": "assistant", **message}) if message else None

    @staticmethod
    def _bare(message: Message) -> Message:
        # Nothing is copied where nothing is to go: a million rows have millions of messages.
        if len(message) == BARE:
            return message
        return {"role": message["role"], "content": message["content"]}

    def _tagged(self, message: Message) -> Message:
        if len(message) == BARE:
            return message
        content, reasoning = message["content"], message.get("reasoning")
        if reasoning:
            content = f"{self._open}{reasoning}{self._close}{content}"
        return {"role": message["role"], "content": content}

    def _with_field(self, message: Message) -> Message:
        role = message["role"]
        if role != "assistant":
            return {"role": role, "content": message["content"]}
        # It is there even where it is empty: readers guess the columns from the first rows.
        return {"role": role, "content": message["content"], self._field: message.get("reasoning", "")}
