from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.candidates.topics import (
    Place,
    children,
    numbered_parser,
    titled,
    topic_answer_failures,
    topic_language,
    topic_question_failures,
)
from services.generation.generations.generations import GenerationOptions, NewGeneration, check_topic
from services.generation.generations.kinds import DistillationOptions, Gates
from services.runtime.errors import InvalidArgument


def wanted(topic: str = "Bicycles", levels: int = 2, tags: int = 3, questions: int = 4) -> GenerationOptions:
    return GenerationOptions(
        kind="distillation", distillation=DistillationOptions(topic, levels, tags, questions)
    )


def test_a_tree_ends_in_exactly_so_many_questions() -> None:
    options, waiting, questions = wanted(), [(True, Place(["Bicycles"], [], [], 3))], 0
    while waiting:
        deeper, place = waiting.pop()
        if deeper:
            found = [f"{place.path[-1]} {number}" for number in range(place.left)]
            waiting += children(place, found, options)
        else:
            assert len(place.path) == 3
            questions += place.left
    assert options.distillation is not None
    assert questions == options.distillation.questions == 3**2 * 4


def test_what_lacks_of_a_tag_is_asked_for_with_what_is_there_told() -> None:
    place = Place(["Bicycles"], [], [], 3)
    rest = place.after(["Brakes"])
    assert (rest.left, rest.existing) == (2, ["Brakes"])
    (_, child), *_ = children(rest, ["Frames", "Tyres"], wanted())
    assert (child.path, child.siblings, child.left) == (["Bicycles", "Frames"], ["Brakes", "Tyres"], 3)
    assert rest.values(2)["existing"] == ["Brakes"]
    assert len(Place([], [], [str(n) for n in range(500)], 1).values(1)["existing"]) == 100  # type: ignore[arg-type]


def test_what_repeats_is_asked_for_again() -> None:
    parse = numbered_parser("tag", 3, ["Brakes"])
    assert parse({"tag_1": "Frames", "tag_2": "Tyres ", "tag_3": "Chains"}) == ["Frames", "Tyres", "Chains"]
    with pytest.raises(OutputIncomplete) as caught:
        parse({"tag_1": "Frames", "tag_2": "frames.", "tag_3": "brakes"})
    assert caught.value.parts == {"tag_1": "Frames"}
    assert caught.value.value == ["Frames"]
    empty: list[Any] = [[], {}, {"tag_1": 5, "tag_2": " ", "tag_3": "Brakes"}]
    for nothing in empty:
        with pytest.raises(OutputInvalid):
            parse(nothing)


def test_a_tag_is_a_title() -> None:
    assert [titled("Brakes."), titled("刹车。"), titled("x" * 300)] == ["Brakes", "刹车", "x" * 100]


@pytest.mark.parametrize(
    ("question", "language", "reason"),
    [
        ("Why does Shimano use mineral oil in its brakes?", "en", ""),
        ("自行车的圈刹和碟刹有什么区别？", "zh", ""),
        ("Brakes are important.", "en", "NOT_A_QUESTION"),
        ("What does this text say?", "en", "LEAK_PHRASE"),
        ("What are brakes?", "zh", "LANGUAGE"),
    ],
)
def test_a_question_without_a_source_may_name_whom_it_likes(
    question: str, language: str, reason: str
) -> None:
    found = [one.reason for one in topic_question_failures(question, language)]
    assert found[:1] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        ("Disc brakes stop better in the wet.", []),
        ("", ["ANSWER_EMPTY"]),
        ("I don't know.", ["REFUSAL"]),
        ("The text says that they stop better.", ["LEAK_PHRASE"]),
        ("碟刹在雨天制动效果更好，也更省力气一些。", ["LANGUAGE"]),
        ("They stop well. " * 20, ["REPETITIVE"]),
        ("x" * 1001, ["ANSWER_LENGTH"]),
    ],
)
def test_an_answer_without_a_source_is_held_against_the_rest(answer: str, reasons: list[str]) -> None:
    assert [one.reason for one in topic_answer_failures(answer, wanted())] == reasons
    allowed = replace(wanted(), gates=Gates(max_answer_chars=2000))
    assert "ANSWER_LENGTH" not in [one.reason for one in topic_answer_failures(answer, allowed)]


def test_the_topic_says_the_language_unless_it_is_said() -> None:
    assert topic_language(wanted("自行车")) == "zh"
    assert topic_language(wanted()) == "en"
    assert topic_language(replace(wanted(), language="zh")) == "zh"


def test_a_distillation_needs_a_topic_and_has_bounds() -> None:
    check_topic(NewGeneration("p", "v", wanted()).options)
    for options in (replace(wanted(), distillation=None), wanted(" ")):
        with pytest.raises(InvalidArgument) as caught:
            check_topic(options)
        assert caught.value.reason == "TOPIC_MISSING"
    with pytest.raises(InvalidArgument) as caught:
        check_topic(wanted(levels=4, tags=50, questions=100))
    assert caught.value.reason == "DISTILLATION_TOO_LARGE"
    assert "625000000 questions" in caught.value.message
