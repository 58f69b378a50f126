"""The dataset room: examples of every kind, found by filters, in orders, and counted by facets."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime.ids import new_id
from sishu.common.v1 import exam_item_pb2, message_pb2
from sishu.dataset.v1 import example_filter_pb2 as filters
from sishu.dataset.v1 import example_pb2
from sishu.dataset.v1 import example_service_pb2 as pb
from sishu.errors import ApiError
from sishu.generation.v1 import judgement_pb2, question_pb2
from tests.integration.dataset_school import (
    KEPT,
    REJECTED,
    School,
    about_herons,
    question,
    rejected,
    turns,
)

ASSISTANT = message_pb2.ROLE_ASSISTANT


async def counted(school: School, project_id: str, *facets: str, **wanted: Any) -> dict[str, dict[str, int]]:
    request = pb.CountExamplesRequest(
        project_id=project_id,
        filter=filters.ExampleFilter(**wanted),
        facets=[filters.ExampleFacet.Value(f"EXAMPLE_FACET_{facet.upper()}") for facet in facets],
    )
    answer = await school.client.examples.CountExamples(request)
    found = {
        name: {one.value: one.count for one in facet.counts}
        for name, facet in zip(facets, answer.facets, strict=True)
    }
    return {**found, "total": {"": answer.total}}


async def test_examples_of_every_kind_are_stored_and_a_version_holds_them(school: School) -> None:
    project_id = new_id()
    item = exam_item_pb2.ExamItem(
        type=exam_item_pb2.EXAM_ITEM_TYPE_SINGLE_CHOICE, text="Who?", choices=["Ada.", "Bob."], correct=[0]
    )
    pair = example_pb2.Preference(
        chosen=message_pb2.Message(role=ASSISTANT, content="Ada."),
        rejected=message_pb2.Message(role=ASSISTANT, content="Bob."),
        flaw="wrong",
    )
    text = [message_pb2.Message(role=ASSISTANT, content="Herons fish.")]
    wanted: list[dict[str, Any]] = [
        {"kind": example_pb2.EXAMPLE_KIND_PREFERENCE, "messages": turns("Who?"), "preference": pair},
        {"kind": example_pb2.EXAMPLE_KIND_PRETRAINING, "messages": text},
        {
            "kind": example_pb2.EXAMPLE_KIND_EXAM_ITEM,
            "messages": turns("Who is it?\nA. Ada.\nB. Bob.", "A. Ada."),
            "exam_item": item,
        },
        {"kind": example_pb2.EXAMPLE_KIND_CONVERSATION, "messages": turns("A?", "a", "B?", "b")},
        {"messages": turns("净利润？", "十亿元。"), "score": 4.5, "labels": ["b", "a", "b"]},
    ]
    made = [await school.create(project_id=project_id, **one) for one in wanted]
    assert [one.kind for one in made] == [3, 4, 5, 2, 1]
    assert made[0].preference == pair
    assert made[2].exam_item == item
    assert (made[4].score, list(made[4].labels), made[4].language) == (4.5, ["a", "b"], "zh")
    assert (made[3].language, made[3].characters) == ("en", 6)
    assert await school.listed(project_id) == made

    version = await school.made(project_id, exam_share=0, system_prompt="Be brief.")
    held = {one.example_id: one for one in await school.held(version.id)}
    assert version.split_counts == {"train": 4, "exam": 1}
    assert held[made[0].id].preference == pair
    assert [one.content for one in held[made[0].id].messages] == ["Be brief.", "Who?"]
    assert list(held[made[1].id].messages) == text
    assert held[made[2].id].exam_item == item


async def test_what_is_wrong_of_a_kind_is_refused_with_its_field(school: School) -> None:
    project_id = new_id()
    answer = message_pb2.Message(role=ASSISTANT, content="Ada.")
    preference, item = example_pb2.EXAMPLE_KIND_PREFERENCE, example_pb2.EXAMPLE_KIND_EXAM_ITEM
    cases: list[tuple[dict[str, Any], str]] = [
        ({"kind": preference, "messages": turns("Who?")}, "example.preference"),
        (
            {
                "kind": preference,
                "messages": turns("Who?", "Ada."),
                "preference": example_pb2.Preference(chosen=answer),
            },
            "example.messages",
        ),
        (
            {"messages": turns("Who?", "Ada."), "preference": example_pb2.Preference(chosen=answer)},
            "example.preference",
        ),
        (
            {
                "kind": item,
                "messages": turns("Who?", "Ada."),
                "exam_item": exam_item_pb2.ExamItem(
                    type=exam_item_pb2.EXAM_ITEM_TYPE_TRUE_FALSE, correct=[1]
                ),
            },
            "example.exam_item.correct",
        ),
        (
            {"kind": item, "messages": turns("Who?", "Ada."), "exam_item": exam_item_pb2.ExamItem()},
            "example.exam_item.type",
        ),
        ({"messages": turns("Who?", "Ada."), "score": 6}, "example.score"),
        ({"messages": turns("Who?", "Ada."), "tag_ids": ["x"]}, "example.tag_ids[0]"),
    ]
    for fields, field in cases:
        with pytest.raises(ApiError) as error:
            await school.create(project_id=project_id, **fields)
        assert (error.value.code, error.value.field) == ("INVALID_ARGUMENT", field)


def judged(text: str, score: float, **fields: Any) -> question_pb2.Question:
    found = question(text)
    found.judgement.CopyFrom(judgement_pb2.Judgement(score=score))
    found.MergeFrom(question_pb2.Question(**fields))
    return found


async def test_filters_say_which_examples_are_meant(school: School) -> None:
    project_id, tag, other_tag = new_id(), new_id(), new_id()
    first = judged("Herons?", 3.5, tag_ids=[tag], heading_path=["Birds", "Herons"], type=1)
    second = judged("Storks?", 4.5, tag_ids=[tag, other_tag], heading_path=["Birds"], type=6)
    third = rejected("Whales?")
    generation_id = await school.imported(project_id, [first, second, third])
    other = await school.imported(project_id, [question("净利润？", "十亿元。")])
    ids = {one.messages[0].content: one.id for one in await school.listed(project_id)}
    await school.create(project_id=project_id, messages=turns('A "quoted"\nword?', "Ja."), labels=["x"])
    ids['A "quoted"\nword?'] = (await school.listed(project_id, labels=["x"]))[0].id

    async def found(**wanted: Any) -> list[str]:
        names = {example_id: text for text, example_id in ids.items()}
        return [names[one.id] for one in await school.listed(project_id, **wanted)]

    by_hand = 'A "quoted"\nword?'
    assert await found(states=[REJECTED]) == ["Whales?"]
    assert await found(states=[KEPT], generation_ids=[generation_id]) == ["Herons?", "Storks?"]
    assert await found(generation_ids=[other, generation_id], languages=["zh"]) == ["净利润？"]
    assert await found(document_ids=[first.document_ids[0]]) == ["Herons?"]
    assert await found(tag_ids=[other_tag]) == ["Storks?"]
    assert await found(tag_ids=[tag, new_id()]) == ["Herons?", "Storks?"]
    assert await found(heading_path=["Birds"]) == ["Herons?", "Storks?"]
    assert await found(heading_path=["Birds", "Herons"]) == ["Herons?"]
    assert await found(min_score=4) == ["Storks?"]
    assert await found(max_score=4) == ["Herons?"]
    assert await found(rejection_reasons=["QUOTE_NOT_FOUND"]) == ["Whales?"]
    assert await found(question_types=["multi_hop"]) == ["Storks?"]
    assert await found(labels=["x", "y"]) == [by_hand]
    assert await found(text="heRONS") == ["Herons?"]
    assert await found(text='"QUOTED"\n') == [by_hand]
    # Neither the names of fields nor what the quotes say.
    assert not await found(text="content")
    assert not await found(text="The heron weighs")
    assert await found(prompt_versions=["answer.en@1"], states=[KEPT]) == ["Herons?", "Storks?", "净利润？"]
    assert await found(models=["mock"], source_gone=True) == []
    assert await found(max_characters=19) == ["净利润？", by_hand]
    assert await found(max_characters=18) == []
    assert await found(min_characters=20, states=[REJECTED]) == ["Whales?"]
    assert await found(example_ids=[ids["Storks?"], new_id()]) == ["Storks?"]
    now = Timestamp()
    now.GetCurrentTime()
    assert await found(create_time_from=now) == []
    assert len(await found(create_time_before=now)) == 5

    counts = await counted(school, project_id, "state", "tag", "section", "score", "label", "language")
    assert counts == {
        "total": {"": 5},
        "state": {"kept": 4, "rejected": 1},
        "tag": {tag: 2, other_tag: 1},
        "section": {"Birds": 1, "Birds / Herons": 1},
        "score": {"3": 1, "4": 1},
        "label": {"x": 1},
        "language": {"en": 4, "zh": 1},
    }
    assert await counted(school, project_id, "rejection_reason", "model", states=[REJECTED]) == {
        "total": {"": 1},
        "rejection_reason": {"QUOTE_NOT_FOUND": 1},
        "model": {"mock": 1},
    }
    with pytest.raises(ApiError) as error:
        await counted(school, project_id, text="x")
    assert error.value.field == "filter.text"


@pytest.mark.parametrize("page_size", [1, 3, 1000])
async def test_every_order_lists_every_example_once(school: School, page_size: int) -> None:
    project_id = new_id()
    scores = [3.0, 1.0, None, 3.0, 5.0, None, 0.0]
    made = []
    for number, score in enumerate(scores):
        fields: dict[str, Any] = {} if score is None else {"score": score}
        made.append(await school.create(project_id=project_id, messages=turns(f"{number}?", "x"), **fields))
    changed = made[2]
    changed.messages[1].content = "y"
    made[2] = await school.update(changed, "messages")

    def score_of(one: example_pb2.Example) -> float:
        return one.score if one.HasField("score") else -1.0

    expected = {
        "OLDEST": made,
        "NEWEST": made[::-1],
        "LOWEST_SCORE": sorted(made, key=lambda one: (score_of(one), one.id)),
        "HIGHEST_SCORE": sorted(made, key=lambda one: (score_of(one), one.id), reverse=True),
        "LAST_CHANGED": [made[2], *(one for one in made[::-1] if one != made[2])],
    }
    for order, examples in expected.items():
        assert await school.listed(project_id, order, page_size) == examples
        some = [one for one in examples if one.HasField("score")]
        assert await school.listed(project_id, order, page_size, min_score=0) == some


async def test_scores_labels_and_tags_are_changed_by_people(school: School) -> None:
    project_id, tag = new_id(), new_id()
    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    example.score = 2
    example.labels.extend(["b", "a"])
    example.tag_ids.append(tag)
    changed = await school.update(example, "score", "labels", "tag_ids")
    assert (changed.score, list(changed.labels), list(changed.tag_ids)) == (2, ["a", "b"], [tag])
    assert await school.listed(project_id, tag_ids=[tag], labels=["a"]) == [changed]
    del changed.labels[:]
    assert not (await school.update(changed, "labels")).labels


async def test_a_page_token_belongs_to_its_filter_and_order(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(2))
    page = await school.client.examples.ListExamples(
        pb.ListExamplesRequest(project_id=project_id, page_size=2)
    )
    for other in (
        {"order": filters.EXAMPLE_ORDER_NEWEST},
        {"filter": filters.ExampleFilter(states=[KEPT])},
    ):
        request = pb.ListExamplesRequest(project_id=project_id, page_token=page.next_page_token, **other)
        with pytest.raises(ApiError) as error:
            await school.client.examples.ListExamples(request)
        assert error.value.reason == "PAGE_TOKEN_INVALID"
