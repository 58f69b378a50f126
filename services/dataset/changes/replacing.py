"""Texts that take the place of others in what examples say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.dataset.examples.examples import ExamItem, Example, Message, Preference
from services.dataset.examples.rules import is_sound


@dataclass(frozen=True)
class TextReplacement:
    """A text, letter for letter, and what takes its place wherever it stands; nothing takes it out."""

    text: str
    replacement: str = ""


def replaced(example: Example, replacements: Sequence[TextReplacement]) -> Example:
    """An example after replacements, one after the other, in all that it says; never in its quotes.

    The same example where nothing is found, or where it would break the rules of its kind.
    """

    def written(text: str) -> str:
        for each in replacements:
            text = text.replace(each.text, each.replacement)
        return text

    def rewritten(message: Message) -> Message:
        return replace(message, content=written(message.content), reasoning=written(message.reasoning))

    become = replace(
        example,
        messages=[rewritten(one) for one in example.messages],
        preference=example.preference and preference(example.preference, rewritten),
        exam_item=example.exam_item and exam_item(example.exam_item, written),
    )
    return become if become != example and is_sound(become) else example


def preference(one: Preference, rewritten: Callable[[Message], Message]) -> Preference:
    """Both answers after replacements."""
    return replace(
        one, chosen=one.chosen and rewritten(one.chosen), rejected=one.rejected and rewritten(one.rejected)
    )


def exam_item(one: ExamItem, written: Callable[[str], str]) -> ExamItem:
    """A task after replacements."""
    choices = [written(choice) for choice in one.choices]
    return replace(one, text=written(one.text), choices=choices, answer=written(one.answer))
