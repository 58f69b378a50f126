"""Texts take the place of others in all that an example says, and never in its quotes."""

from __future__ import annotations

from dataclasses import replace

from services.dataset.changes.replacing import TextReplacement, replaced
from services.dataset.examples.examples import ExamItem, Message, Preference
from tests.unit.dataset.makers import sft

TEXTS = [TextReplacement("heron", "stork"), TextReplacement("stork", "crane")]


def test_every_field_is_rewritten_in_turn_and_quotes_stay() -> None:
    one = sft("Is a heron a stork?", "A heron is a Heron.")
    one = replace(one, messages=[*one.messages[:1], Message("assistant", "A heron.", "stork?")])
    quotes = [replace(one.quotes[0], text="The heron.")]
    become = replaced(replace(one, quotes=quotes), TEXTS)
    assert [(each.content, each.reasoning) for each in become.messages] == [
        ("Is a crane a crane?", ""),
        ("A crane.", "crane?"),
    ]
    assert become.quotes == quotes
    answers = Preference(Message("assistant", "A heron"), Message("assistant", "A stork", "heron"), "heron")
    pair = replace(one, kind="preference", messages=one.messages[:1], preference=answers)
    chosen, rejected = Message("assistant", "A crane"), Message("assistant", "A crane", "crane")
    assert replaced(pair, TEXTS).preference == Preference(chosen, rejected, "heron")
    item = ExamItem("single_choice", "Which heron?", ["heron", "duck"], [0], answer="heron")
    asked = replace(one, kind="exam_item", exam_item=item)
    wanted = ExamItem("single_choice", "Which crane?", ["crane", "duck"], [0], answer="crane")
    assert replaced(asked, TEXTS).exam_item == wanted


def test_what_is_not_found_or_would_break_a_rule_stays() -> None:
    one = sft("Is a heron a bird?", "Yes")
    assert replaced(one, [TextReplacement("Heron", "stork")]) is one
    assert replaced(one, [TextReplacement("Yes")]) is one


def test_a_text_does_not_grow_out_of_bounds() -> None:
    one = sft("Is a heron a bird?", "a a a a")
    assert replaced(one, [TextReplacement("a", "a" * 10_000)] * 100) is one
    wide = replaced(one, [TextReplacement("bird", "b" * 900_000)])
    assert len(wide.messages[0].content) == 900_014


def test_choices_of_a_task_stay_where_they_would_be_blank_or_equal() -> None:
    item = ExamItem("single_choice", "Which?", ["grey heron", "heron"], [0])
    one = replace(sft("Which?", "a"), kind="exam_item", exam_item=item)
    assert replaced(one, [TextReplacement("grey heron", "heron")]) is one
    assert replaced(one, [TextReplacement("heron")]) is one
    assert replaced(one, [TextReplacement("grey ", "white ")]) is not one
