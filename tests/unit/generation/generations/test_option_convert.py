"""Options of generations, from the contract to the store and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.generation.generations.generations import GenerationOptions, check_kind, stored_options
from services.generation.generations.kinds import OF_KIND, OF_QUESTIONS, OPTIONS_OF, Gates, Judge
from services.generation.generations.option_convert import (
    OWN,
    options,
    options_to_pb,
    sampling,
    sampling_to_pb,
)
from services.runtime.errors import InvalidArgument
from sishu.common.v1 import exam_item_pb2, message_pb2
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from sishu.dataset.v1.example_pb2 import EXAMPLE_STATE_REJECTED
from sishu.generation.v1 import candidate_pb2, gates_pb2, generation_pb2, question_options_pb2, question_pb2

KINDS = [
    generation_pb2.GenerationKind.Name(value)
    for value in generation_pb2.GenerationKind.values()
    if value != generation_pb2.GENERATION_KIND_UNSPECIFIED
]


def full(kind: str) -> generation_pb2.GenerationOptions:
    """Options of a kind, of which all that can be set is."""
    message = generation_pb2.GenerationOptions(
        kind=generation_pb2.GenerationKind.Value(kind),
        chars_per_fact=100,
        forms_per_fact=3,
        facts_per_call=4,
        context_chars=500,
        language="zh",
        genre_audiences=True,
        question_types=[question_pb2.QUESTION_TYPE_MULTI_HOP, question_pb2.QUESTION_TYPE_FACT],
        question_template_ids=["t"],
        templates_only=True,
        answers=question_options_pb2.AnswerOptions(
            length=question_options_pb2.ANSWER_LENGTH_LONG,
            style="dry",
            reasoning=question_options_pb2.ANSWER_REASONING_ASKED,
        ),
        coverage=question_options_pb2.CoverageOptions(facts_per_section=4, max_rounds=2),
        knowledge=question_options_pb2.KnowledgeOptions(provider_id="k", forms_per_known_fact=2, min_f1=0.5),
        new_chunks_only=True,
        regeneration=question_options_pb2.RegenerationOptions(
            question_ids=["q"], candidate_ids=["c"], answers_only=True, instruction="shorter"
        ),
        gates=gates_pb2.Gates(
            off=["LEAK_PHRASE"],
            min_answer_chars=2,
            max_answer_chars=3000,
            near_copy_similarity=0.5,
            embedding_provider_id="e",
            meaning_similarity=0.25,
            judge=gates_pb2.Judge(provider_id="j", min_score=4),
        ),
    )
    message.knowledge.sampling.temperature = 0
    message.sampling.temperature = message.gates.judge.sampling.temperature = 0
    return message


OWN_OPTIONS = {
    "tags": generation_pb2.TagOptions(mode=generation_pb2.TAG_MODE_KEEP, levels=3, max_children=7),
    "genre_audience_pairs": generation_pb2.GenreAudienceOptions(pairs=2, replace=True),
    "conversations": generation_pb2.ConversationOptions(
        turns=8, scenario="at work", user_role="a novice", assistant_role="a master"
    ),
    "preference_pairs": generation_pb2.PreferencePairOptions(
        generation_id="g", flaw=candidate_pb2.PREFERENCE_FLAW_WRONG
    ),
    "passages": generation_pb2.PassageOptions(forms=[candidate_pb2.PASSAGE_FORM_KEY_CONCEPTS]),
    "exam_items": generation_pb2.ExamItemOptions(types=[exam_item_pb2.EXAM_ITEM_TYPE_OPEN_ENDED] * 2),
    "distillation": generation_pb2.DistillationOptions(
        topic="trees", levels=1, tags_per_level=3, questions_per_tag=4
    ),
    "judge_examples": generation_pb2.JudgeExamplesOptions(
        filter=ExampleFilter(
            states=[EXAMPLE_STATE_REJECTED],
            min_score=0,
            source_gone=False,
            create_time_from=Timestamp(seconds=1_700_000_000, nanos=5000),
            example_ids=["e"],
        )
    ),
    "improve_examples": generation_pb2.ImproveExamplesOptions(advice="Be brief."),
}


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_each_kind_come_back_as_they_were(kind: str) -> None:
    message = full(kind)
    name = OPTIONS_OF.get(kind.removeprefix("GENERATION_KIND_").lower())
    if name:
        getattr(message, name).CopyFrom(OWN_OPTIONS[name])
    read = options(message)
    assert options_to_pb(read) == message
    assert stored_options(json.loads(json.dumps(asdict(read)))) == read


def test_every_option_of_one_kind_alone_is_known_everywhere() -> None:
    assert set(OF_KIND) == set(OPTIONS_OF.values()) == set(OWN_OPTIONS)
    assert set(OWN) == {*OF_KIND, *OF_QUESTIONS}


def test_other_parameters_of_a_server_are_sent_as_they_stand() -> None:
    said = message_pb2.Sampling(temperature=0)
    said.extra_body.update({"enable_thinking": False, "top_k": 20, "min_p": 0.5, "nested": {"a": [1, None]}})
    read = sampling(said)
    expected = {"enable_thinking": False, "top_k": 20, "min_p": 0.5, "nested": {"a": [1, None]}}
    assert read == {"temperature": 0, **expected}
    assert (type(read["top_k"]), type(read["nested"]["a"][0])) == (int, int)
    assert sampling_to_pb(read) == said


@pytest.mark.parametrize("name", ["model", "stream", "temperature", "stop"])
def test_parameters_that_are_said_elsewhere_are_refused(name: str) -> None:
    said = message_pb2.Sampling()
    said.extra_body.update({name: 1})
    with pytest.raises(InvalidArgument, match=f"extra_body: '{name}'"):
        sampling(said)


def test_what_is_not_said_is_as_the_service_chooses() -> None:
    empty = options(generation_pb2.GenerationOptions())
    nothing: dict[str, Any] = {"document_ids": [], "question_types": [], "question_template_ids": []}
    assert empty == GenerationOptions(sampling={}, gates=empty.gates, **nothing)
    assert asdict(empty.gates) == asdict(GenerationOptions().gates) | {"off": []}
    passages = generation_pb2.GenerationOptions(passages=generation_pb2.PassageOptions())
    assert len(options_to_pb(options(passages)).passages.forms) == 8


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("pilot_chunks", {"pilot_chunks": 5}),
        ("genre_audiences", {"genre_audiences": True}),
        ("gates.embedding_provider_id", {"gates": Gates(embedding_provider_id="e")}),
    ],
)
def test_what_only_questions_go_by_is_refused_elsewhere_and_not_passed_over(
    name: str, changes: dict[str, Any]
) -> None:
    check_kind(GenerationOptions(**changes))
    with pytest.raises(InvalidArgument) as raised:
        check_kind(GenerationOptions(kind="passages", **changes))
    assert (raised.value.reason, raised.value.field) == (
        "OPTION_OF_OTHER_KIND",
        f"generation.options.{name}",
    )


def test_candidates_are_judged_as_questions_are_and_nothing_else_is() -> None:
    gates = Gates(judge=Judge())
    for kind in ("questions", "conversations", "preference_pairs", "passages", "exam_items"):
        check_kind(GenerationOptions(kind=kind, gates=gates))
    for kind in ("tags", "genre_audiences", "distillation"):
        with pytest.raises(InvalidArgument) as raised:
            check_kind(GenerationOptions(kind=kind, gates=gates))
        assert raised.value.field == "generation.options.gates.judge"


def test_options_of_another_kind_are_refused_by_name() -> None:
    message = generation_pb2.GenerationOptions(tags=generation_pb2.TagOptions(levels=3))
    with pytest.raises(
        InvalidArgument, match=r"options\.tags says nothing of a generation of questions"
    ) as raised:
        check_kind(options(message))
    assert raised.value.field == "generation.options.tags"
