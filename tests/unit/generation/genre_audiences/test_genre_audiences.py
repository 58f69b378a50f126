"""Genre-audience pairs: how models write them, and what prompts make of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.generations.generations import Generation, GenerationOptions
from services.generation.genre_audiences.convert import (
    genre_audience_from_pb,
    genre_audience_to_pb,
    merged_genre_audience,
)
from services.generation.genre_audiences.genre_audiences import (
    GenreAudience,
    Voice,
    genre_audience_values,
    voice_values,
)
from services.generation.genre_audiences.writing import voices_parser, voices_schema
from services.generation.questions.facts import Fact
from services.generation.questions.filling import answer_values, questions_values
from services.generation.questions.writing import Passage
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.writers.questions import planned
from sishu.generation.v1.genre_audience_pb2 import GenreAudience as Message
from tests.support.prompts import render

TEXT = "The kestrel weighs twelve kilograms. It was built in the year 2015 by the firm. It flies for an hour."
LESSON = Voice(
    genre="Lesson", genre_description="Plain and slow.", audience="Pupils", audience_description="Beginners."
)
REPORT = Voice(genre="Report", audience="Engineers")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def written(genre: str, audience: str) -> dict[str, Any]:
    return {
        "genre": genre,
        "genre_description": "g.",
        "audience": audience,
        "audience_description": "a.",
    }


def pair_of(pair_id: str, voice: Voice) -> GenreAudience:
    return GenreAudience(pair_id, "p", "d", voice, True, NOW, NOW)


def test_pairs_are_read_and_their_number_stands_in_the_schema() -> None:
    value = {"pair_1": written(" Work \n order", "Staff"), "pair_2": written("Talk", "Guests")}
    found = voices_parser(2, [])(value)
    assert [(one.genre, one.audience) for one in found] == [("Work order", "Staff"), ("Talk", "Guests")]
    assert voices_schema(3)["required"] == ["pair_1", "pair_2", "pair_3"]


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (written("LESSON", "pupils"), "another pair than LESSON / pupils"),
        (written("Report", "Engineers"), "another pair than Report / Engineers"),
        (written("", "Guests"), "must have the texts"),
        ({**written("Talk", "Guests"), "genre": None}, "must have the texts"),
        (None, "must have the texts"),
    ],
)
def test_a_pair_that_lacks_or_is_there_already_is_asked_for_again_alone(second: Any, told: str) -> None:
    first = written("Lesson", "Pupils")
    with pytest.raises(OutputIncomplete, match=told) as caught:
        voices_parser(2, [REPORT])({"pair_1": first, "pair_2": second})
    assert caught.value.parts == {"pair_1": first}
    assert [one.genre for one in caught.value.value] == ["Lesson"]


@pytest.mark.parametrize("value", [None, [], {}, {"pair_1": 3}, {"pair_1": written("report", "ENGINEERS")}])
def test_an_answer_without_a_new_pair_is_none(value: Any) -> None:
    with pytest.raises(OutputInvalid):
        voices_parser(1, [REPORT])(value)


@pytest.mark.parametrize("pairs", [1, 2, 5])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_example_of_the_prompt_keeps_the_rules_of_the_answer(pairs: int, language: str) -> None:
    values = genre_audience_values("a.md", TEXT, pairs, [REPORT])
    prompt = render("genre_audiences", language, **values)
    example = json.loads(prompt.texts[2])
    assert len(example) == pairs
    assert len(voices_parser(pairs, [])(example)) == pairs
    assert "- Report / Engineers" in prompt.texts[-1]


PASSAGE = Passage(TEXT, [])
FACTS = [Fact(0, 36, TEXT[:36])]
CHUNK = SourceChunk("c", "p", "d", 1, TEXT, 0, 0, TEXT, ["Kestrel"])


@pytest.mark.parametrize("name", ["questions", "answer"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_prompts_name_a_voice_and_are_the_same_to_the_letter_without(name: str, language: str) -> None:
    def filled(voice: Voice | None) -> list[str]:
        values = (
            questions_values(CHUNK, FACTS, GenerationOptions(), language, voice)
            if name == "questions"
            else answer_values(PASSAGE, "How heavy is it?", language, voice)
        )
        return list(render(name, language, **values).texts)

    plain, voiced = filled(None), filled(LESSON)
    assert plain[1:] == voiced[1:]
    end = {"en": "Do not mention the text. Answer with JSON only.", "zh": "不要提及原文。只输出 JSON。"}[
        language
    ]
    assert plain[0].endswith(end)
    told = {"en": "Pupils (Beginners)", "zh": "Pupils（Beginners）"}[language]
    assert told in voiced[0]
    assert voiced[0].replace("  ", " ") == voiced[0]


def test_a_voice_without_descriptions_is_named_alone() -> None:
    assert voice_values(REPORT, "en") == {"genre": "Report", "audience": "Engineers"}
    assert voice_values(None, "zh") == {"genre": "", "audience": ""}


def test_each_fact_is_planned_once_for_each_pair_and_once_where_there_is_none() -> None:
    options = GenerationOptions(chars_per_fact=1, facts_per_call=1, genre_audiences=True)
    generation = Generation("g", "p", "provider", options, NOW)
    plain = planned(CHUNK, generation)
    pairs = [pair_of("1", LESSON), pair_of("2", REPORT)]
    doubled = planned(CHUNK, generation, pairs)
    assert (len(plain), len(doubled)) == (3, 6)
    assert len({item.key for item in (*plain, *doubled)}) == 9
    assert [item.payload.get("genre_audience_id") for item in doubled] == ["1", "2"] * 3
    assert all("genre_audience_id" not in item.payload for item in plain)


def test_a_pair_is_on_unless_it_is_said_to_be_off_and_changes_only_what_is_named() -> None:
    assert genre_audience_from_pb(Message(genre="g", audience="a")).enabled
    assert not genre_audience_from_pb(Message(genre="g", audience="a", enabled=False)).enabled
    pair = pair_of("1", LESSON)
    wanted = Message(genre="Talk", audience="nobody", enabled=False)
    message = merged_genre_audience(pair, wanted, frozenset({"genre", "enabled"}))
    assert (message.genre, message.audience, message.enabled) == ("Talk", "Pupils", False)
    assert genre_audience_to_pb(pair).enabled
