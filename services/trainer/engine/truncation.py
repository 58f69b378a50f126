"""Conversations that are too long: which messages of them stay.

Only whole turns go, or the beginning of a question: what is left is a conversation that is rendered like any
other. So the header before an answer, the answer and its end token are never cut.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from services.trainer.engine.rendering import Message

SPLIT_TURNS, KEEP_END, DROP = "split_turns", "keep_end", "drop"
POLICIES = (SPLIT_TURNS, KEEP_END, DROP)
"""split_turns parts a conversation into shorter ones; keep_end lets the oldest turns go, then the beginning
of the last question; drop leaves the row out."""

Fits = Callable[[list[Message]], bool]


def shortened(messages: list[Message], fits: Fits, *, cut_question: bool) -> list[Message] | None:
    """The longest end of a conversation that fits, behind its system message; nothing where none does.

    Args:
        messages: a whole conversation, or one whose answer is still to come.
        fits: whether messages fit.
        cut_question: where the last turn alone does not fit, take from the beginning of its question.
    """
    system, starts = _parts(messages)

    def end(index: int) -> list[Message]:
        return [*system, *messages[starts[index] :]]

    first = bisect_left(range(len(starts)), True, key=lambda index: fits(end(index)))
    if first < len(starts):
        return end(first)
    return _with_shorter_question(end(len(starts) - 1), fits) if cut_question else None


def segments(messages: list[Message], fits: Fits) -> Iterator[list[Message]]:
    """Parts of a conversation, each of as many turns as fit behind its system message.

    A turn that does not fit by itself is left out.
    """
    system, starts = _parts(messages)
    bounds = [*starts, len(messages)]
    first = 0
    while first < len(starts):
        last = first
        while last < len(starts) and fits([*system, *messages[bounds[first] : bounds[last + 1]]]):
            last += 1
        if last > first:
            yield [*system, *messages[bounds[first] : bounds[last]]]
        first = max(last, first + 1)


def _parts(messages: list[Message]) -> tuple[list[Message], list[int]]:
    """The system message, if any, and where turns begin: at a user's message that follows an answer."""
    begin = int(messages[0]["role"] == "system")
    starts = [
        index
        for index in range(begin, len(messages))
        if messages[index]["role"] == "user" and (index == begin or messages[index - 1]["role"] != "user")
    ]
    return messages[:begin], starts


def _with_shorter_question(messages: list[Message], fits: Fits) -> list[Message] | None:
    place = max(index for index, message in enumerate(messages) if message["role"] == "user")
    question = messages[place]["content"]

    def without(characters: int) -> list[Message]:
        rest = {**messages[place], "content": question[characters:].lstrip()}
        return [*messages[:place], rest, *messages[place + 1 :]]

    most = len(question.rstrip())
    cut = bisect_left(range(most), True, key=lambda characters: fits(without(characters)))
    return without(cut) if cut < most else None
