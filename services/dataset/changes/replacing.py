"""Texts that take the place of others in what examples say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.dataset.examples.examples import ExamItem, Example, Message, Preference
from services.dataset.examples.rules import is_sound

LONGEST = 1_000_000
"""Letters of a text after a replacement: a few could make any text too long for the memory."""


@dataclass(frozen=True)
class TextReplacement:
    """A text, letter for letter, and what takes its place wherever it stands; nothing takes it out."""

    text: str
    replacement: str = ""


def replaced(example: Example, replacements: Sequence[TextReplacement]) -> Example:
    """An example after replacements, one after the other, in all that it says; never in its quotes.

    The same example where nothing is found, where it would break the rules of its kind, where choices of a
    task would be blank or equal, or where a text would become longer than `LONGEST`.
    """

    def written(text: str) -> str:
        for each in replacements:
            grown = text.count(each.text) * (len(each.replacement) - len(each.text))
            if grown > 0 and len(text) + grown > LONGEST:
                raise OverflowError
            text = text.replace(each.text, each.replacement)
        return text

    def rewritten(message: Message) -> Message:
        return replace(message, content=written(message.content), reasoning=written(message.reasoning))

    try:
        become = replace(
            example,
            messages=[rewritten(one) for one in example.messages],
            preference=example.preference and preference(example.preference, rewritten),
            exam_item=example.exam_item and exam_item(example.exam_item, written),
        )
    except OverflowError:
        return example
    is_whole = become.exam_item is None or can_be_chosen(become.exam_item)
    return become if become != example and is_whole and is_sound(become) else example


def can_be_chosen(one: ExamItem) -> bool:
    """Whether no choice is blank, and none is another's double."""
    return all(choice.strip() for choice in one.choices) and len(set(one.choices)) == len(one.choices)


def preference(one: Preference, rewritten: Callable[[Message], Message]) -> Preference:
    """Both answers after replacements."""
    return replace(
        one, chosen=one.chosen and rewritten(one.chosen), rejected=one.rejected and rewritten(one.rejected)
    )


def exam_item(one: ExamItem, written: Callable[[str], str]) -> ExamItem:
    """A task after replacements."""
    choices = [written(choice) for choice in one.choices]
    return replace(one, text=written(one.text), choices=choices, answer=written(one.answer))
