"""An exam item as a question and its right answer, in the language that it is in."""

from __future__ import annotations

from string import ascii_uppercase

from services.dataset.examples.examples import ExamItem
from services.dataset.examples.languages import language_of

CHINESE, ENGLISH = "zh", "en"
TRUE_OR_FALSE = {CHINESE: "判断对错：{}", ENGLISH: "True or false? {}"}
TRUTHS = {CHINESE: {True: "对", False: "错"}, ENGLISH: {True: "True", False: "False"}}


def asked(item: ExamItem) -> str:
    """What is asked; choices stand below it, a letter each."""
    if item.type == "true_false":
        return TRUE_OR_FALSE[language(item)].format(item.text)
    if not item.choices:
        return item.text
    return "\n".join([item.text, "", *(choice(item, place) for place in range(len(item.choices)))])


def right(item: ExamItem) -> str:
    """The right answer; several choices a line each."""
    if item.type == "true_false":
        return TRUTHS[language(item)][item.is_true]
    there = [place for place in item.correct if 0 <= place < len(item.choices)]
    return "\n".join(choice(item, place) for place in there) or item.answer


def choice(item: ExamItem, place: int) -> str:
    """A choice with its letter."""
    return f"{ascii_uppercase[place % len(ascii_uppercase)]}. {item.choices[place]}"


def language(item: ExamItem) -> str:
    """The language that words around it are in."""
    return CHINESE if language_of(item.text) == CHINESE else ENGLISH
