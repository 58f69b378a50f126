"""What a row says, by families of shapes: pairs, conversations, preferences, judged answers, plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from services.dataset.imports.rows import BadRow, Columns, Tags
from services.dataset.imports.shapes import chats, texts
from services.dataset.imports.shapes.chats import ASSISTANT, SYSTEM, USER, Message, Words

Content: TypeAlias = dict[str, Any]
Said: TypeAlias = tuple[str, Content]
"""The kind of an example, and its content."""
Mapper: TypeAlias = Callable[[Mapping[str, Any]], Said]

SFT, CONVERSATION, PREFERENCE = "sft", "conversation", "preference"
PRETRAINING, EXAM = "pretraining", "exam_item"
THINK = ("<think>", "</think>")
MAY_BE_MESSAGES = {"prompt", "completion"}
"""Columns of TRL, which hold texts or messages."""
TURN_MARKS = ("\n\nHuman:", "\n\nAssistant:")
"""How old preference data writes a conversation as one text."""

CHATML = re.compile(r"<\|im_start\|>(system|user|assistant)\n(.*?)<\|im_end\|>\s*", re.DOTALL)
"""A message as templates of ChatML write it."""


@dataclass(frozen=True)
class MapOptions:
    """How rows become examples.

    Args:
        kind: of examples that are one question and one answer: `sft` or `exam_item`.
        think: marks around thoughts at the beginning of an answer, which become reasoning; None to leave
            them.
    """

    kind: str = SFT
    think: tuple[str, str] | None = THINK


class Family:
    """Makes examples of rows.

    Args:
        columns: what is where.
        tags: the words of lists of messages, where they are not the usual ones.
        options: how rows become examples.
    """

    def __init__(self, columns: Columns, tags: Tags | None, options: MapOptions) -> None:
        self.columns = columns
        self.options = options
        self.words: Words = chats.words_of(tags, options.think)

    def pair(self, row: Mapping[str, Any]) -> Said:
        """A row of an instruction and an answer, perhaps with earlier turns."""
        messages = self._asked(row)
        messages += self._answer(row, self.columns.answer)
        return self._kind(chats.check_turns(messages, self._asking)), {"messages": messages}

    def conversation(self, row: Mapping[str, Any]) -> Said:
        """A row with a list of messages; one of the assistant alone is a text to learn (as of ms-swift)."""
        messages = self._listed(row)
        if len(messages) == 1 and messages[0]["role"] == ASSISTANT and self.options.kind == SFT:
            as_written = replace(self.words, think=None)
            listed = texts.list_in(row, self._asking) or []
            return PRETRAINING, {"messages": chats.messages_of(listed, self._asking, as_written)}
        return self._kind(chats.check_turns(messages, self._asking)), {"messages": messages}

    def preference(self, row: Mapping[str, Any]) -> Said:
        """A row of a better and a worse answer, whose question may be the beginning of both."""
        columns = self.columns
        assert columns.chosen and columns.rejected  # noqa: S101  # what makes a row one of this family
        sides = [self._side(row, columns.chosen), self._side(row, columns.rejected)]
        if all(len(side) > 1 for side in sides):
            messages = chats.with_system(texts.text_in(row, columns.system), common(sides), columns.chosen)
        else:
            messages = self._asked(row) if self._tells_asking(row) else self._listed(row)
        chosen, rejected = (
            single(side, len(messages) if len(side) > 1 else 0, column)
            for side, column in zip(sides, (columns.chosen, columns.rejected), strict=True)
        )
        content = self._paired(messages, chosen, rejected)
        chats.check_prompt(messages, self._asking or columns.chosen)
        return PREFERENCE, content

    def rival(self, row: Mapping[str, Any]) -> Said:
        """A row whose messages end with the better answer, and of a worse one."""
        assert self.columns.rejected  # noqa: S101  # what makes a row one of this family
        *messages, chosen = self._listed(row)
        chats.check_prompt(messages, self._asking)
        rejected = single(self._side(row, self.columns.rejected), 0, self.columns.rejected)
        return PREFERENCE, self._paired(messages, single([chosen], 0, self._asking), rejected)

    def judged(self, row: Mapping[str, Any]) -> Said:
        """A row of one answer that is a good or a bad one."""
        assert self.columns.desirable  # noqa: S101  # what makes a row one of this family
        good = texts.flag_in(row, self.columns.desirable)
        _, content = self.conversation(row) if self.columns.messages else self.pair(row)
        *messages, answer = content["messages"]
        chats.check_prompt(messages, self._asking)
        return PREFERENCE, {"messages": messages, "preference": {"chosen" if good else "rejected": answer}}

    def text(self, row: Mapping[str, Any]) -> Said:
        """A row of plain text."""
        text = texts.wanted_text(row, self.columns.text, "text to learn")
        turns = chatml_turns(text)
        if turns:
            return self._marked(turns, self.columns.text or "text")
        return PRETRAINING, {"messages": [{"role": ASSISTANT, "content": text}]}

    def _paired(self, messages: list[Message], chosen: Message, rejected: Message) -> Content:
        """The content of two answers, which differ."""
        if chosen == rejected:
            raise BadRow(
                "ANSWERS_EQUAL",
                "the better answer is the worse one, too; leave the row out",
                self.columns.rejected or "",
            )
        return {"messages": messages, "preference": {"chosen": chosen, "rejected": rejected}}

    def _marked(self, turns: list[tuple[str, str]], field: str) -> Said:
        """What a text in ChatML says: thoughts before an answer become its reasoning."""
        values = [{"role": role, "content": text} for role, text in turns]
        messages = chats.messages_of(values, field, self.words)
        return self._kind(chats.check_turns(messages, field)), {"messages": messages}

    @property
    def _asking(self) -> str:
        """The column that faults in the order of turns are told of."""
        return self.columns.instruction or self.columns.messages or ""

    def _tells_asking(self, row: Mapping[str, Any]) -> bool:
        """Whether what was asked stands in a column of its own, and in no list of messages."""
        columns = self.columns
        if not columns.messages:
            return True
        return bool(columns.instruction and (row.get(columns.instruction) or not row.get(columns.messages)))

    def _kind(self, turns: int) -> str:
        """The kind of an example by its turns."""
        if turns == 2:
            return self.options.kind
        if self.options.kind != SFT:
            raise BadRow(
                "KIND_MISMATCH",
                f"an example of kind {self.options.kind} is one question and one answer; this row "
                f"has {turns} turns",
                self._asking,
            )
        return CONVERSATION

    def _asked(self, row: Mapping[str, Any]) -> list[Message]:
        """What comes before the answer: the system's message, earlier turns, and what the user says."""
        columns = self.columns
        value = listed_in(row, columns.instruction) if columns.instruction else None
        if type(value) is list:
            return chats.messages_of(value, columns.instruction or "", self.words)
        said = texts.text_in(row, columns.instruction)
        if columns.input:
            more = texts.text_in(row, columns.input)
            said = f"{said}\n{more}" if said and more else said or more
        if not said or said.isspace():
            raise texts.empty(columns.instruction or "instruction", "what the user says")
        messages = []
        system = texts.text_in(row, columns.system)
        if system and not system.isspace():
            messages.append({"role": SYSTEM, "content": system})
        if columns.history and row.get(columns.history):
            messages += self._history(row, columns.history)
        messages.append({"role": USER, "content": said})
        return messages

    def _history(self, row: Mapping[str, Any], column: str) -> list[Message]:
        """Earlier turns: a list of pairs."""
        found: list[Message] = []
        for place, turns in enumerate(texts.list_in(row, column) or ()):
            field = f"{column}[{place}]"
            if not isinstance(turns, list) or len(turns) != 2:
                raise BadRow(
                    "HISTORY_INVALID",
                    f"{field} is no pair of what user and assistant say; make it one",
                    field,
                )
            asked, answered = (
                chats.text_of_parts(one, field) if type(one) is not str else one for one in turns
            )
            if not asked or asked.isspace():
                raise texts.empty(f"{field}[0]", "what the user says")
            found += [
                {"role": USER, "content": asked},
                chats.said(answered, "", f"{field}[1]", self.options.think),
            ]
        return found

    def _answer(self, row: Mapping[str, Any], column: str | None) -> list[Message]:
        """The answer: a text, or a list of messages."""
        column = column or "answer"
        value = listed_in(row, column)
        if type(value) is list:
            return chats.messages_of(value, column, self.words)
        thoughts = texts.text_in(row, self.columns.reasoning)
        return [chats.said(texts.text_in(row, column), thoughts, column, self.options.think)]

    def _listed(self, row: Mapping[str, Any]) -> list[Message]:
        """The messages of a list, with the system's message of a column of its own."""
        columns = self.columns
        values = texts.list_in(row, columns.messages)
        if not values:
            raise texts.empty(columns.messages or "messages", "a list of messages")
        messages = chats.messages_of(values, columns.messages or "", self.words)
        return chats.with_system(texts.text_in(row, columns.system), messages, columns.messages or "")

    def _side(self, row: Mapping[str, Any], column: str) -> list[Message]:
        """One of two answers, perhaps with all that came before it."""
        value = texts.messages_in(row, column)
        if type(value) is dict:
            value = [value]
        if type(value) is list and all(type(one) is str for one in value) and len(value) == 1:
            value = value[0]
        if type(value) is list:
            return chats.messages_of(value, column, self.words)
        text = texts.wanted_text(row, column, "an answer") if type(value) is not str else value
        if text.startswith(TURN_MARKS[0]) and not self._asking_fills(row):
            return marked_turns(text, column, self.options.think)
        return [chats.said(text, "", column, self.options.think)]

    def _asking_fills(self, row: Mapping[str, Any]) -> bool:
        """Whether a row says what the answers answer."""
        return bool(self._asking and row.get(self._asking))


def chatml_turns(text: str) -> list[tuple[str, str]]:
    """Who says what in a text that is a conversation in ChatML as a whole; nothing for any other text."""
    found: list[tuple[str, str]] = []
    place = 0
    for match in CHATML.finditer(text):
        if match.start() != place:
            return []
        found.append((match[1], match[2]))
        place = match.end()
    return found if place == len(text) else []


def listed_in(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column; JSON of messages is read as such only where messages are usual."""
    return texts.messages_in(row, column) if column in MAY_BE_MESSAGES else row.get(column)


def common(sides: Sequence[Sequence[Message]]) -> list[Message]:
    """The messages that two conversations begin with, but for the last of either."""
    found = []
    for one, other in zip(sides[0][:-1], sides[1][:-1], strict=False):
        if one != other:
            break
        found.append(one)
    return found


def single(side: Sequence[Message], place: int, field: str) -> Message:
    """The answer that comes after the common messages.

    Raises:
        BadRow: it is no single message of the assistant.
    """
    # A system message of another column stands before the common messages.
    rest = side[-1:] if len(side) > 1 and len(side) <= place + 1 else side[place:]
    if len(rest) != 1 or rest[0]["role"] != ASSISTANT:
        raise BadRow(
            "ANSWERS_APART",
            f"{field}: the two answers must differ in their last message only, which is the "
            "assistant's; cut the row",
            field,
        )
    return rest[0]


def marked_turns(text: str, field: str, think: tuple[str, str] | None) -> list[Message]:
    """The messages of a conversation that is one text.

    Raises:
        BadRow: a turn says nothing.
    """
    messages = []
    for number, turn in enumerate(text.split(TURN_MARKS[0])[1:]):
        asked, mark, answered = turn.partition(TURN_MARKS[1])
        if not asked.strip():
            raise texts.empty(field, f"what the user says in turn {number + 1}")
        messages.append({"role": USER, "content": asked.strip()})
        if mark:
            messages.append(chats.said(answered.strip(), "", field, think))
    return messages
