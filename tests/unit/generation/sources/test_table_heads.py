"""Rows of a table are shown under their head, wherever that stands; quotes and places stay those of the text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.generation.asking.asking import Asked
from services.generation.asking.call_store import Settlement
from services.generation.candidates import exam_items, passages
from services.generation.generations.generations import GenerationOptions
from services.generation.question_templates.question_templates import TemplateContent
from services.generation.question_templates.template_answers import template_values
from services.generation.questions.answers import Written
from services.generation.questions.questions import CallRecord
from services.generation.questions.subjects import Subject, checked, new_question, questions_call_of, seen_of
from services.generation.questions.writing import passage
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.table_heads import head_at, under_head
from tests.support.chunks import chunk_of, fact_in

HEAD = "| Part | Torque |\n|---|---|\n"
ROWS = "".join(f"| Bolt {name} | {number} Nm |\n" for number, name in enumerate("ABCDEF", 11))
BEGINS = chunk_of(f"Torques of the Kestrel gearbox stand here.\n\n{HEAD}{ROWS}\nThis is the end of it.\n")
GOES_ON = replace(chunk_of(f"{ROWS}\nThis is the end of it.\n", overlap=0), table_header=HEAD)
CALL = CallRecord("i", "answer@1", "p", "m", {}, 1, 1, 1, 1.0)


def place_of(text: str, words: str) -> int:
    return text.index(words)


@pytest.mark.parametrize(
    ("words", "head"),
    [("Torques of", ""), ("| Part", ""), ("|---", ""), ("| Bolt A", HEAD), ("Bolt D", HEAD), ("This is", "")],
)
def test_the_head_of_a_table_stands_above_its_rows_alone(words: str, head: str) -> None:
    assert head_at(BEGINS, place_of(BEGINS.text, words)) == head.strip()


def test_rows_that_go_on_from_the_chunk_before_have_the_head_that_the_chunk_names() -> None:
    for words in ("| Bolt A", "| Bolt C"):
        assert head_at(GOES_ON, place_of(GOES_ON.text, words)) == HEAD
    assert head_at(GOES_ON, place_of(GOES_ON.text, "This is")) == ""
    another = replace(GOES_ON, text=f"{ROWS}\n| Nut |\n|---|\n| M 5 |\n\n| stray |\n")
    assert head_at(another, place_of(another.text, "| M 5")) == "| Nut |\n|---|"
    assert head_at(another, place_of(another.text, "| stray")) == ""


def test_what_is_shown_is_the_text_under_the_head() -> None:
    assert under_head(GOES_ON) == f"{HEAD}{GOES_ON.text.strip()}"
    assert under_head(BEGINS) == BEGINS.text.strip()
    begin = place_of(GOES_ON.text, "\nThis")
    assert under_head(GOES_ON, begin) == "This is the end of it."
    assert under_head(replace(GOES_ON, text=" \n")) == ""


@pytest.mark.parametrize("chunk", [BEGINS, GOES_ON])
def test_the_window_around_a_row_has_its_head_and_the_quotes_have_not(chunk: SourceChunk) -> None:
    fact = fact_in(chunk.text, "| Bolt D | 14 Nm |")
    seen = passage(chunk, [fact], 40)
    assert seen.text.startswith(f"{HEAD}|")
    assert fact.text in seen.text
    assert "Bolt A" not in seen.text
    assert all(chunk.text[one.start : one.end] == one.text for one in seen.sentences)
    assert HEAD.splitlines()[0] not in [one.text for one in seen.sentences]


def test_questions_and_answers_may_speak_of_the_head_and_quote_the_row() -> None:
    fact = fact_in(GOES_ON.text, "| Bolt D | 14 Nm |")
    subject, options = Subject("fact", GOES_ON, fact), GenerationOptions()
    call = questions_call_of([subject], options, "en", None)
    assert str(call.values["passage"]).startswith("| Part | Torque | |---|---| | Bolt A")
    assert seen_of(subject, options).text.startswith(HEAD)
    question = new_question(subject, 0, "Which Torque does Bolt D need?", "en", options)
    assert question.rejection is None
    for quote, reason in ((fact.text, None), ("| Part | Torque |", "QUOTE_NOT_FOUND")):
        asked = Asked(Written("A Torque of 14 Nm.", (quote,)), "", CALL, Settlement())
        answer, rejection = checked(subject, question.text, asked, options, "en")
        assert (rejection.reason if rejection else None) == reason
        for found in answer.quotes:
            assert GOES_ON.text[found.start : found.end] == found.text


def test_the_other_kinds_see_the_head_too() -> None:
    options = GenerationOptions()
    fact = fact_in(GOES_ON.text, "| Bolt D | 14 Nm |")
    plan = {"fact": [fact.start, fact.end], "type": "short_answer", "is_true": False}
    item = exam_items.assignment(GOES_ON, plan, options)
    assert str(item.values["passage"]).startswith("| Part | Torque |")
    text = passages.assignment(GOES_ON, {"form": "lesson"}, options)
    assert str(text.values["source"]).startswith(HEAD)
    values = template_values(TemplateContent("What is it?"), GOES_ON, options.answers)
    assert str(values["source"]).startswith(HEAD)
