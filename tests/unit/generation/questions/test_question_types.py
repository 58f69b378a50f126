"""Types of questions: which facts get which, what is asked, and what of an answer is taken."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.gates.gates import check_question
from services.generation.generations.generations import Generation, GenerationOptions
from services.generation.phrases import leak
from services.generation.questions.facts import Fact, sentences
from services.generation.questions.links import Link
from services.generation.questions.question_types import (
    asked_place,
    batches,
    questions_call,
    typed_parser,
    typed_schema,
)
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.writers.questions import planned
from services.runtime.errors import InvalidArgument
from services.runtime.ids import new_id
from services.runtime.interceptors import check_message
from sishu.generation.v1 import generation_pb2, question_pb2
from sishu.generation.v1.generation_service_pb2 import CreateGenerationRequest
from tests.support.prompts import render

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WITH_FITS = ("comparison", "definition", "multi_hop", "procedure", "reason")


def chunk_of(text: str, chunk_id: str = "c") -> SourceChunk:
    return SourceChunk(chunk_id, "p", "d", 1, text, 0, 0, text, ["Kestrel"])


def numbered(count: int, word: str = "part") -> SourceChunk:
    text = " ".join(f"The {word} number {n} of the Kestrel weighs {n} grams." for n in range(1, count + 1))
    return chunk_of(text)


def options_of(*types: str, **more: Any) -> GenerationOptions:
    return GenerationOptions(question_types=types, chars_per_fact=1, **more)


def types_of(chunk: SourceChunk, options: GenerationOptions) -> list[str]:
    """The type of each fact, in the order of the chunk."""
    placed = [(fact.start, batch.type) for batch in batches(chunk, options) for fact in batch.facts]
    return [kind for _, kind in sorted(placed)]


def test_types_come_one_after_another_and_each_as_often_as_it_is_named() -> None:
    found = types_of(numbered(12), options_of("fact", "reason", "reason"))
    assert Counter(found) == {"reason": 8, "fact": 4}
    assert "".join(kind[0] for kind in found) in ("frrfrrfrrfrr", "rrfrrfrrfrrf", "rfrrfrrfrrfr")


def test_the_same_text_gets_the_same_types_and_short_chunks_get_all_types() -> None:
    options = options_of("fact", "reason", "definition")
    chunks = [chunk_of(f"The part number {n} of the Kestrel weighs {n} grams.", str(n)) for n in range(300)]
    first = [types_of(chunk, options) for chunk in chunks]
    assert first == [types_of(chunk, options) for chunk in chunks]
    assert all(count > 70 for count in Counter(kind for (kind,) in first).values())
    assert len(Counter(kind for (kind,) in first)) == 3


def test_facts_of_one_type_share_calls_and_none_has_two_types() -> None:
    options = options_of("fact", "reason", facts_per_call=2)
    found = batches(numbered(10), options)
    assert [len(batch.facts) for batch in found] == [2, 2, 1] * 2
    starts = [fact.start for batch in found for fact in batch.facts]
    assert len(set(starts)) == 10
    items = planned(numbered(10), Generation("g", "p", "provider", options, NOW))
    assert len({item.key for item in items}) == 6


@pytest.mark.parametrize("types", [(), ("fact",), ("fact", "fact")])
def test_the_type_fact_alone_is_planned_as_without_types(types: tuple[str, ...]) -> None:
    plain = planned(numbered(9), Generation("g", "p", "provider", options_of(), NOW))
    assert planned(numbered(9), Generation("g", "p", "provider", options_of(*types), NOW)) == plain
    assert all(set(item.payload) == {"facts"} for item in plain)


def test_a_fact_with_a_link_has_a_call_of_its_own_and_one_without_becomes_fact() -> None:
    chunk, options = numbered(6), options_of("multi_hop", facts_per_call=4)
    assert {batch.type for batch in batches(chunk, options)} == {"fact"}
    facts = sentences(chunk.text)

    def find(_: SourceChunk, fact: Fact) -> Link | None:
        return Link("other", 3, 9) if fact.start >= facts[3].start else None

    found = batches(chunk, options, find)
    assert [(batch.type, len(batch.facts)) for batch in found] == [("fact", 3)] + [("multi_hop", 1)] * 3
    assert found[-1].payload == {
        "facts": [[facts[5].start, facts[5].end]],
        "type": "multi_hop",
        "link": ["other", 3, 9],
    }


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["fact", "reason", "comparison", "procedure", "definition", "unanswerable"])
def test_each_type_has_its_prompt_and_the_facts_stand_in_it(kind: str, language: str) -> None:
    chunk, options = numbered(3), GenerationOptions(context_chars=1, forms_per_fact=3)
    facts = sentences(chunk.text)[:2]
    call = questions_call(kind, chunk, facts, options, language, None)
    prompt = render(call.prompt, language, **call.values)
    assert prompt.version.startswith("questions." if kind == "fact" else f"questions_{kind}.")
    assert all(fact.text in prompt.texts[-1] for fact in facts)
    # What is to be left open must be so in the whole chunk.
    assert (sentences(chunk.text)[2].text in prompt.texts[-1]) == (kind == "unanswerable")
    assert "3" in prompt.texts[0]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", [*(f"questions_{kind}" for kind in WITH_FITS), "questions_unanswerable"])
def test_examples_of_prompts_pass_parser_and_gates(name: str, language: str) -> None:
    values = {"facts": ["p"], "fact": "f", "linked_fact": "l", "linked_passage": "l"}
    prompt = render(name, language, passage="p", forms=4, **values)
    fitting = set()
    for asked, answered in zip(prompt.texts[1:-1:2], prompt.texts[2:-1:2], strict=True):
        for member in json.loads(answered).values():
            fitting.add(member.get("fits", True))
            for question in member["questions"]:
                failure = check_question(question, language, asked)
                assert failure is None, (question, failure)
            assert len(member["questions"]) == (4 if member.get("fits", True) else 0)
    assert fitting == ({True} if name == "questions_unanswerable" else {True, False})
    assert not leak(prompt.texts[-1])


def member(fits: Any, *questions: str) -> dict[str, Any]:
    return {"fits": fits, "questions": list(questions)}


def test_a_fact_that_does_not_fit_has_no_questions_whatever_stands_there() -> None:
    parse = typed_parser(3, 2)
    value = {"fact_1": member(True, "A?", "B?", "C?"), "fact_2": member(False, "D?"), "fact_3": member(False)}
    assert parse(value) == [["A?", "B?"], None, None]
    assert parse({f"fact_{n}": member(False) for n in (1, 2, 3)}) == [None, None, None]


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"fact_1": member(True)},
        {"fact_1": {"questions": []}},
        {"fact_1": {"fits": "perhaps", "questions": ["A?", "B?"]}},
    ],
)
def test_an_answer_that_neither_asks_nor_declines_is_asked_for_again(value: Any) -> None:
    with pytest.raises(OutputInvalid):
        typed_parser(1, 2)(value)


def test_only_what_lacks_is_asked_for_again_and_what_was_declined_is_not() -> None:
    value = {"fact_1": member(False), "fact_2": member(True, "A?"), "fact_3": member(True, "B?", "C?")}
    with pytest.raises(OutputIncomplete, match='"fact_2"') as caught:
        typed_parser(3, 2)(value)
    assert set(caught.value.parts) == {"fact_1", "fact_3"}
    assert caught.value.value == [None, ["A?"], ["B?", "C?"]]
    schema = typed_schema(1, 2, "en")["properties"]["fact_1"]
    assert list(schema["properties"]) == ["fits", "questions"] == schema["required"]
    counts = [(one["minItems"], one["maxItems"]) for one in schema["properties"]["questions"]["anyOf"]]
    assert counts == [(2, 2), (0, 0)]


def test_a_reason_may_stand_beside_its_fact_and_a_definition_may_not() -> None:
    chunk = numbered(5)
    facts = sentences(chunk.text)
    around = asked_place("reason", chunk, facts[2])
    assert (around.start, around.end) == (facts[1].start, facts[3].end)
    assert asked_place("definition", chunk, facts[2]) == facts[2]
    first = asked_place("procedure", chunk, facts[0])
    assert (first.start, first.end) == (facts[0].start, facts[1].end)


def test_the_type_of_templates_is_none_that_facts_can_have() -> None:
    def request(kind: question_pb2.QuestionType.ValueType) -> CreateGenerationRequest:
        options = generation_pb2.GenerationOptions(question_types=[kind])
        wanted = generation_pb2.Generation(project_id=new_id(), provider_id=new_id(), options=options)
        return CreateGenerationRequest(generation=wanted)

    check_message(request(question_pb2.QUESTION_TYPE_MULTI_HOP))
    with pytest.raises(InvalidArgument, match="question_types"):
        check_message(request(question_pb2.QUESTION_TYPE_TEMPLATE))
