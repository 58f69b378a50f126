"""Answers: their length, style and reasoning, and refusals where nothing is known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.generation.asking.asking import Asked
from services.generation.asking.call_store import Settlement
from services.generation.calls.output import OutputInvalid
from services.generation.gates.gates import repetitive
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import AnswerOptions, Gates
from services.generation.generations.option_convert import options
from services.generation.phrases import admission, guess, leak
from services.generation.questions.answers import Written, answer_call, kept_reasoning
from services.generation.questions.facts import Fact, sentences
from services.generation.questions.filling import answer_values
from services.generation.questions.questions import CallRecord
from services.generation.questions.subjects import Subject, checked
from services.generation.questions.writing import Passage, answer_schema
from services.generation.sources.chunk_reader import SourceChunk
from sishu.generation.v1 import gates_pb2, generation_pb2, question_options_pb2
from tests.support.prompts import render

TEXT = (
    "The Kestrel was repaired in 2019 because its frame had cracked. It weighs 12 kilograms. "
    "The firm Torvald built it in 2015."
)
CHUNK = SourceChunk("c", "p", "d", 1, TEXT, 0, 0, TEXT, ["Kestrel"])
FACTS = sentences(TEXT)
SEEN = Passage(TEXT, FACTS)
CALL = CallRecord("c", "answer.en@1", "p", "m", {}, 1, 1, 1, 0.1)
WHY = "Why was the Kestrel repaired in 2019?"


def wishes(**answers: Any) -> GenerationOptions:
    return GenerationOptions(answers=AnswerOptions(**answers))


def asked(written: Written, native: str = "") -> Asked[Written]:
    return Asked(written, native, CALL, Settlement())


def reason(kind: str, fact: Fact, question: str, written: Written, own: GenerationOptions) -> str:
    _, failure = checked(Subject(kind, CHUNK, fact), question, asked(written), own, "en")
    return failure.reason if failure else ""


@pytest.mark.parametrize("own", [AnswerOptions(), AnswerOptions(reasoning="none"), AnswerOptions(style=" ")])
def test_without_wishes_an_answer_is_asked_for_as_it_always_was(own: AnswerOptions) -> None:
    call = answer_call("fact", SEEN, WHY, GenerationOptions(answers=own), "en", None)
    assert (call.prompt, call.schema) == ("answer", answer_schema(SEEN, 1000))
    assert call.values == answer_values(SEEN, WHY, "en", None)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["answer_full", "answer_unanswerable", "answer_multi_hop"])
def test_prompts_ask_for_length_style_and_reasoning_and_show_examples_of_them(
    name: str, language: str
) -> None:
    def filled(**manner: Any) -> list[str]:
        usual = {"length": "short", "style": "", "reasoning": False, "linked_passage": "l", **manner}
        return list(render(name, language, passage="p", question="q", **usual).texts)

    plain, long = filled(), filled(length="long")
    styled, reasoned = filled(style="{{ x }} $$ formal"), filled(reasoning=True)
    assert len({plain[0], long[0], styled[0], reasoned[0]}) == 4
    assert "{{ x }} $$ formal" in styled[-1]
    assert "{{ x }}" not in styled[0]
    sizes = [sum(len(json.loads(text)["answer"]) for text in texts[2:-1:2]) for texts in (plain, long)]
    assert sizes[0] < sizes[1]
    for text in reasoned[2:-1:2]:
        said = json.loads(text)
        assert next(iter(said)) == "reasoning"
        assert not leak(said["reasoning"])
        assert not leak(said["answer"])
    assert all("reasoning" not in json.loads(text) for text in plain[2:-1:2])


def test_reasoning_stands_first_in_the_schema_and_must_come() -> None:
    call = answer_call("fact", SEEN, WHY, wishes(reasoning="asked"), "en", None)
    assert list(call.schema["properties"]) == ["reasoning", "quote", "answer"] == call.schema["required"]
    given = {"reasoning": " Its frame had cracked. ", "quote": FACTS[0].text, "answer": " Because. "}
    assert call.parse(given) == Written("Because.", (FACTS[0].text,), "Its frame had cracked.")
    blank, free = {**given, "reasoning": " "}, {"quote": "q", "answer": "a"}
    wrong: list[Any] = [blank, free, [], {**given, "answer": None}]
    for broken in wrong:
        with pytest.raises(OutputInvalid, match='"reasoning": text, "quote": text'):
            call.parse(broken)


@pytest.mark.parametrize(
    ("wanted", "native", "written", "kept"),
    [
        ("none", "I think.", "", ""),
        ("native", "The text says so.", "", "The text says so."),
        ("native", "", "", ""),
        ("asked", "", "Written.", "Written."),
        ("asked", "I think.", "Written.", "I think."),
        ("asked", "The text says that it cracked.", "Written.", "Written."),
    ],
)
def test_reasoning_is_kept_as_wanted(wanted: str, native: str, written: str, kept: str) -> None:
    assert kept_reasoning(native, written, wishes(reasoning=wanted)) == kept


def test_reasoning_that_was_asked_for_speaks_of_no_text_and_in_the_right_language() -> None:
    def why(reasoning: str, **more: Any) -> str:
        written = Written("Because its frame had cracked.", (FACTS[0].text,), reasoning)
        return reason("reason", FACTS[0], WHY, written, replace(wishes(reasoning="asked"), **more))

    assert why("Its frame had cracked, so it was repaired.") == ""
    assert why("According to the text its frame had cracked.") == "LEAK_PHRASE"
    assert why("According to the text its frame had cracked.", gates=Gates(off=["LEAK_PHRASE"])) == ""
    assert why("机架开裂，所以需要修理。") == "LANGUAGE"


def test_the_quote_of_a_reason_may_be_beside_the_fact_and_no_further() -> None:
    written = Written("Because its frame had cracked.", (FACTS[0].text,))
    found = [reason("reason", fact, WHY, written, GenerationOptions()) for fact in FACTS]
    assert found == ["", "", "QUOTE_OFF_FACT"]
    assert reason("definition", FACTS[1], WHY, written, GenerationOptions()) == "QUOTE_OFF_FACT"
    invented = Written("Because its frame had cracked.", ("Its frame was bent.",))
    assert reason("reason", FACTS[0], WHY, invented, GenerationOptions()) == "QUOTE_NOT_FOUND"


@pytest.mark.parametrize(
    ("answer", "answered", "why"),
    [
        ("I do not know what the Kestrel costs. What I know is that it weighs 12 kilograms.", False, ""),
        ("I have no information about the price of the Kestrel.", False, ""),
        ("It is not known what the Kestrel costs; Torvald built it in 2015.", False, ""),
        ("The Kestrel costs a lot of money.", False, "NOT_REFUSED"),
        ("I do not know, but it is probably expensive.", False, "NOT_REFUSED"),
        ("I do not know. I think it is cheap.", False, "NOT_REFUSED"),
        ("I do not know; it costs 900 euros.", False, "NUMBER_NOT_IN_SOURCE"),
        ("I do not know; the firm Grendel sells it.", False, "NAME_NOT_IN_SOURCE"),
        ("The text does not say what the Kestrel costs.", False, "LEAK_PHRASE"),
        ("I do not know what it costs.", True, "ANSWERABLE"),
        ("", False, "ANSWER_EMPTY"),
    ],
)
def test_an_unanswerable_question_is_refused_honestly(answer: str, answered: bool, why: str) -> None:
    written = Written(answer, (), answered=answered)
    question = "What does the Kestrel cost?"
    assert reason("unanswerable", FACTS[1], question, written, GenerationOptions()) == why


@pytest.mark.parametrize(
    "answer",
    [
        "我不知道红隼的价格，只知道它重 12 公斤。",
        "没有关于红隼价格的信息。",
        "红隼的价格尚不清楚，已知它由托瓦德公司制造。",
        "目前无法确定红隼的价格。",
        "The price remains unknown.",
        "I cannot tell what it costs.",
        "There are no records of its price.",
    ],
)
def test_admissions_are_known_in_both_languages(answer: str) -> None:
    assert admission(answer)
    assert not guess(answer, "")


@pytest.mark.parametrize("answer", ["红隼的价格是一万元。", "It costs 900 euros.", "Torvald built it."])
def test_a_claim_is_no_admission(answer: str) -> None:
    assert not admission(answer)


@pytest.mark.parametrize(
    "answer", ["我不知道，大概是一万元。", "I do not know; it is likely to be expensive."]
)
def test_a_guess_is_told_unless_the_source_says_so(answer: str) -> None:
    found = guess(answer, "")
    assert found
    assert guess(answer, f"x {found} y") == ""


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("length", ["short", "medium", "long"])
def test_the_examples_of_refusals_are_refusals(language: str, length: str) -> None:
    manner = {"length": length, "style": "", "reasoning": False}
    prompt = render("answer_unanswerable", language, passage="p", question="q", **manner)
    said = [json.loads(text) for text in prompt.texts[2:-1:2]]
    assert {one["answered"] for one in said} == {True, False}
    for one in said:
        assert bool(admission(one["answer"])) != one["answered"]
        assert not guess(one["answer"], "")


def test_the_longest_answer_follows_from_the_length_unless_it_is_said() -> None:
    def longest(length: str, said: int = 0) -> int:
        value = question_options_pb2.AnswerLength.Value(f"ANSWER_LENGTH_{length}")
        message = generation_pb2.GenerationOptions(
            answers=question_options_pb2.AnswerOptions(length=value),
            gates=gates_pb2.Gates(max_answer_chars=said),
        )
        return options(message).gates.max_answer_chars

    assert [longest(one) for one in ("UNSPECIFIED", "SHORT", "MEDIUM", "LONG")] == [1000, 1000, 2000, 6000]
    assert longest("LONG", 50) == 50


def test_a_long_text_is_repetitive_where_it_says_the_same_and_not_for_its_length() -> None:
    essay = (
        "北辰公司成立于二零一五年，总部设在上海，第一台设备叫做红隼，重量为十二千克。设备由电池供电，"
        "飞行一次可达一小时，主要用于山区勘测。操作员须先检查螺旋桨，再校准罗盘，最后确认风速。遇到大雨"
        "或强风时应当停飞，并把机器收入防水箱内保存。每飞行一百小时要更换轴承，由专门的技师完成，费用约"
        "占全年预算三成。"
    )
    assert len(set(essay)) > 60
    assert not repetitive(essay + "此外" + essay[::-1])
    assert repetitive(essay + essay)
