from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.generation.candidates.candidates import ExampleAnswer, Message
from services.generation.candidates.examples import (
    Improved,
    SourceExample,
    improvement,
    judging_of,
    language_in,
)
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import ImproveExamplesOptions
from services.generation.sources.chunk_reader import SourceChunk
from tests.support.prompts import render

TEXT = "The ash stands in Kiel. The ash is 20 years old. It is 9 metres high."
OPTIONS = GenerationOptions(
    kind="improve_examples", improve_examples=ImproveExamplesOptions(advice=" Whole sentences. ")
)
ASKED = [Message("user", "How old is the ash in Kiel?")]


def chunk(text: str = TEXT) -> SourceChunk:
    return SourceChunk("c", "p", "d", 2, text, 100, 0, text, ["Trees"], "s")


def example(answer: str = "20 years.", kind: str = "sft", **more: Any) -> SourceExample:
    known = SourceExample(
        "e", kind, 3, [*ASKED, Message("assistant", answer)], quoted=["The ash is 20 years old."]
    )
    return replace(known, **more)


def reason_of(written: Improved, chunks: list[SourceChunk], asked: SourceExample | None = None) -> str:
    rejection = improvement(asked or example(), chunks, OPTIONS).made(written).rejection
    return rejection.reason if rejection else ""


def test_a_new_answer_rests_on_a_quote_at_its_place() -> None:
    wanted = improvement(example(), [chunk()], OPTIONS)
    assert set(wanted.schema["properties"]) == {"quote", "answer"}
    written = wanted.parse(
        {"quote": "The ash is 20 years old.", "answer": "The ash in Kiel is 20 years old. "}
    )
    made = wanted.made(written)
    assert made.rejection is None
    assert made.content == ExampleAnswer("e", 3, ASKED, "The ash in Kiel is 20 years old.")
    (quote,) = made.quotes
    assert (quote.start, quote.text) == (100 + TEXT.index("The ash is"), "The ash is 20 years old.")
    assert (made.chunk_ids, made.document_ids, made.heading_path) == (["c"], ["d"], ["Trees"])
    shown = render("improve_answer", "en", **wanted.values).texts[-1]
    assert shown.startswith("Text:\n" + TEXT)
    assert "User: How old is the ash in Kiel?" in shown
    assert shown.endswith("Old answer:\n20 years.\n\nAdvice: Whole sentences.")


def test_without_a_chunk_nothing_is_quoted_and_names_are_free() -> None:
    wanted = improvement(example(), [], OPTIONS)
    assert set(wanted.schema["properties"]) == {"answer"}
    made = wanted.made(wanted.parse({"answer": "The ash in Kiel, says Ada, is 20 years old."}))
    assert (made.rejection, made.quotes, made.chunk_ids) == (None, [], [])
    assert "Text:" not in render("improve_answer", "en", **wanted.values).texts[-1]


@pytest.mark.parametrize(
    ("answer", "quote", "reason"),
    [
        ("It is 20 years old, I think.", "It is a tree.", "QUOTE_NOT_FOUND"),
        ("20 Years", "The ash is 20 years old.", "NOT_DIFFERENT"),
        ("According to the text, it is 20 years old.", "The ash is 20 years old.", "LEAK_PHRASE"),
        ("It is 30 years old.", "The ash is 20 years old.", "NUMBER_NOT_IN_SOURCE"),
        ("It was planted by Ada, 20 years ago.", "The ash is 20 years old.", "NAME_NOT_IN_SOURCE"),
        ("白蜡树有二十年了。", "The ash is 20 years old.", "LANGUAGE"),
        ("", "The ash is 20 years old.", "ANSWER_EMPTY"),
    ],
)
def test_a_new_answer_passes_the_gates_of_answers(answer: str, quote: str, reason: str) -> None:
    assert reason_of(Improved(answer, quote), [chunk()]) == reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I'm sorry, but I cannot help with that.", "REFUSAL"),
        ("As the text says, 20 years.", "LEAK_PHRASE"),
        ("有二十年了，它是一棵很高的树，长在基尔。", "LANGUAGE"),
    ],
)
def test_without_a_chunk_its_words_are_looked_at(answer: str, reason: str) -> None:
    assert reason_of(Improved(answer), []) == reason


def test_to_what_has_no_answer_a_refusal_is_good() -> None:
    written = Improved("I cannot answer that, it is not known.", "It is 9 metres high.")
    assert reason_of(written, [chunk()]) == "REFUSAL"
    assert reason_of(written, [chunk()], example(question_type="unanswerable")) == ""


def test_the_last_answer_of_each_kind_is_improved_where_it_has_one() -> None:
    several = [
        *ASKED,
        Message("assistant", "20 years."),
        Message("user", "And how high?"),
        Message("assistant", "9 m."),
    ]
    assert example(kind="conversation", messages=several).answer == "9 m."
    pair = example(kind="preference", messages=ASKED, chosen="20 years.", bad="2 years.")
    assert (pair.answer, pair.asked) == ("20 years.", ASKED)
    for without in (
        example(kind="preference", messages=ASKED, bad="2 years."),
        example(kind="pretraining", messages=[Message("assistant", TEXT)]),
        example(kind="exam_item"),
        example(messages=ASKED),
    ):
        assert without.answer == ""


def test_a_judge_sees_what_there_is() -> None:
    judging = judging_of(example(), [chunk()], OPTIONS)
    assert list(judging.points) == ["faithful", "self_contained"]
    assert judging.values["turns"] == ["User: How old is the ash in Kiel?", "Assistant: 20 years."]
    shown = render("judge_example", "en", **judging.values)
    assert TEXT in shown.texts[-1]
    assert '"faithful"' in shown.texts[2]
    pair = judging_of(example(kind="preference", messages=ASKED, chosen="20.", bad="2."), [], OPTIONS)
    shown = render("judge_example", "en", **pair.values)
    assert shown.texts[-1].endswith("Assistant: 20.\n\nBad answer: 2.")
    assert "faithful" not in "".join(shown.texts)
    assert list(pair.points) == ["self_contained"]
    text = judging_of(example(kind="pretraining", messages=[Message("assistant", TEXT)]), [], OPTIONS)
    assert text.values["turns"] == [TEXT]


def test_a_narrow_context_shows_what_is_quoted() -> None:
    narrow = replace(OPTIONS, context_chars=1)
    assert judging_of(example(), [chunk()], narrow).values["passage"] == "The ash is 20 years old."
    assert judging_of(example(quoted=[]), [chunk()], narrow).values["passage"] == TEXT


def test_an_example_is_spoken_of_in_its_language() -> None:
    chinese = [Message("user", "白蜡树多大了？"), Message("assistant", "20 years.")]
    assert language_in(chinese, OPTIONS) == "zh"
    assert language_in(chinese, replace(OPTIONS, language="en")) == "en"
    shown = render("improve_answer", "zh", **improvement(example(messages=chinese), [], OPTIONS).values)
    assert "用户：白蜡树多大了？" in shown.texts[-1]
