from __future__ import annotations

import json
from typing import Any

import pytest

from services.generation.calls.output import OutputInvalid
from services.generation.gates.judging import Judging, judgement_of, verdict_parser, verdict_schema
from services.generation.generations.kinds import Gates, Judge
from services.generation.questions.question_judging import POINTS, WORDS
from services.generation.questions.questions import CallRecord
from tests.support.prompts import render

GOOD = {"reason": " Right. ", "answerable": True, "faithful": True, "self_contained": True, "score": 4.5}
CALL = CallRecord("c", "judge.en@1", "p", "m", {}, 1, 1, 1, 0.1)

parse_verdict = verdict_parser(POINTS)


def judging(gates: Gates, *, answerable: bool = True) -> Judging:
    return Judging("judge", {}, POINTS, gates, answerable, WORDS)


def reason(said: dict[str, Any], **gates: Any) -> str:
    failure = judging(Gates(**{"judge": Judge(), **gates})).check(parse_verdict(GOOD | said))
    return failure.reason if failure else ""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, ""),
        ({"score": 3}, ""),
        ({"score": 2.5}, "SCORE_LOW"),
        ({"score": 0, "self_contained": False}, "NOT_SELF_CONTAINED"),
        ({"faithful": False, "self_contained": False}, "UNFAITHFUL"),
        ({"answerable": False, "faithful": False}, "NOT_ANSWERABLE"),
    ],
)
def test_a_judgement_keeps_or_says_why_not(said: dict[str, Any], why: str) -> None:
    assert reason(said) == why


def test_each_gate_of_the_judge_can_be_off_and_the_least_score_be_set() -> None:
    bad = {"answerable": False, "faithful": False, "self_contained": False, "score": 1}
    order = ["NOT_ANSWERABLE", "UNFAITHFUL", "NOT_SELF_CONTAINED", "SCORE_LOW"]
    for number, why in enumerate(order):
        assert reason(bad, off=order[:number]) == why
    assert reason(bad, off=order) == ""
    assert reason({"score": 4.5}, judge=Judge(min_score=5)) == "SCORE_LOW"


def test_the_judges_words_are_in_the_message() -> None:
    verdict = parse_verdict(GOOD | {"faithful": False, "reason": "No mill stands there."})
    assert judgement_of(verdict, CALL).reason == "No mill stands there."
    failure = judging(Gates(judge=Judge())).check(verdict)
    assert failure is not None
    assert failure.message == "the answer says what its source does not: No mill stands there."


@pytest.mark.parametrize(
    "said",
    [
        {"score": 3.2},
        {"score": 5.5},
        {"score": -1},
        {"score": "4"},
        {"score": True},
        {"faithful": "true"},
        {"reason": None},
    ],
)
def test_a_verdict_that_is_none_is_asked_for_again(said: dict[str, Any]) -> None:
    with pytest.raises(OutputInvalid):
        parse_verdict(GOOD | said)


def test_the_schema_asks_for_the_reason_first_and_for_half_points() -> None:
    schema = verdict_schema(POINTS)
    assert next(iter(schema["properties"])) == "reason"
    assert schema["properties"]["score"]["enum"] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]
    assert set(schema["required"]) == set(GOOD)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_judge_sees_question_answer_quote_and_source(language: str) -> None:
    shown = {
        "passage": "The {{ash}} is 20 years old.",
        "question": "How old?",
        "answer": "$& 20",
        "quote": "is 20",
    }
    prompt = render("judge", language, **shown)
    assert all(value in prompt.texts[-1] for value in shown.values())
    assert ("Quote" if language == "en" else "引文") in prompt.texts[-1]
    without = render("judge", language, **{**shown, "quote": ""})
    assert ("Quote" if language == "en" else "引文") not in without.texts[-1]
    for example in prompt.texts[2:-1:2]:
        parse_verdict(json.loads(example))
