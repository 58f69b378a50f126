"""Every kind beside questions, end to end: written through the API, stored with lineage, listed, filtered."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from services.generation.candidates.store import CandidateStore
from services.generation.generations.kinds import EXAM_ITEM_TYPES, PASSAGE_FORMS
from services.generation.prompts.prompt_versions import ALL
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import exam_item_pb2, job_pb2, message_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.generation.v1 import (
    candidate_pb2,
    gates_pb2,
    generation_pb2,
    prompt_service_pb2,
    question_pb2,
    tag_pb2,
)
from sishu.generation.v1 import candidate_service_pb2 as pb
from sishu.generation.v1.generation_service_pb2 import DeleteGenerationRequest
from sishu.generation.v1.tag_service_pb2 import CreateTagRequest
from tests.integration.command_line import CommandLine
from tests.integration.documents import (
    chunks_of,
    documents_of,
    failure,
    new_project,
    parsed_project,
    text_of,
)
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    new_provider,
    questions_of,
    start_generation,
)
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer

ENGLISH = (
    "The Kestrel costs $$5 and its code is {{x}} {% raw %} in all lists.\n\n"
    "The sign $& stands for the <b>fan</b> &amp; its motor in every plan.\n\n"
    "Marlow Systems builds the Kestrel in a hall beside the river Tees.\n\n"
    "The battery of the Kestrel is charged by the sun on long flights.\n"
)
CHINESE = (
    "红隼的价格是$$5，代码为{{x}}，写在所有的清单里。\n\n符号$&代表<b>风扇</b>和它的电机，每张图纸都一样。\n\n"
    "北辰公司在河边的厂房里制造红隼，那里离上海不远。\n\n红隼的电池在长途飞行中由太阳能充电，不需要电源。\n"
)
OPTIONS: Mapping[str, dict[str, Any]] = {
    "CONVERSATIONS": {
        "conversations": generation_pb2.ConversationOptions(
            turns=4, scenario="A call.", user_role="a pilot", assistant_role="a technician"
        )
    },
    "PASSAGES": {},
    "EXAM_ITEMS": {"context_chars": ONLY_THE_FACT},
    "PREFERENCE_PAIRS": {},
}
COUNTS = {"CONVERSATIONS": 1, "PASSAGES": len(PASSAGE_FORMS), "EXAM_ITEMS": 4, "PREFERENCE_PAIRS": 8}
PROMPTS = {"CONVERSATIONS": "conversation", "PASSAGES": "passage", "PREFERENCE_PAIRS": "preference_pair"}


def options_of(kind: str, **own: Any) -> generation_pb2.GenerationOptions:
    number = generation_pb2.GenerationKind.Value(f"GENERATION_KIND_{kind}")
    # Originals say themselves what they are about.
    wanted = own if "regeneration" in own else {"chars_per_fact": 1, **own}
    return generation_pb2.GenerationOptions(kind=number, **wanted)


async def written(
    client: Client, project: str, provider: str, kind: str, **own: Any
) -> generation_pb2.Generation:
    """A generation of a kind when it has ended."""
    made = await start_generation(client, project, provider, options_of(kind, **(own or OPTIONS[kind])))
    done = await generated(client, made)
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED, done.job
    return done


async def candidates_of(client: Client, project: str, **filters: Any) -> list[candidate_pb2.Candidate]:
    """All candidates, three a page."""
    request = pb.ListCandidatesRequest(project_id=project, page_size=3, **filters)
    found: list[candidate_pb2.Candidate] = []
    while True:
        page = await client.candidates.ListCandidates(request)
        found += page.candidates
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def check_lineage(client: Client, candidate: candidate_pb2.Candidate, language: str, kind: str) -> None:
    """Each candidate says where it comes from, and its quotes stand there."""
    assert candidate.state == candidate_pb2.CANDIDATE_STATE_KEPT, candidate
    assert not candidate.HasField("rejection")
    assert candidate.quotes
    assert candidate.fact_ids
    text = await text_of(client, candidate.document_ids[0])
    for quote in candidate.quotes:
        assert quote.text == text[quote.span.start : quote.span.end]
        assert (quote.chunk_id, quote.document_id) == (candidate.chunk_ids[0], candidate.document_ids[0])
    prompt = PROMPTS.get(kind) or f"exam_item_{name_of(candidate)}"
    assert candidate.origin.prompt_version == f"{prompt}.{language}@1"
    assert (candidate.origin.model, candidate.origin.usage.calls) == ("mock-model", 1)


async def check_paging(rooms: Rooms, project: str, answered: list[str]) -> None:
    """Answered questions come page by page, each once and in their order."""
    async with rooms.stores.pool("generation") as pool:
        store, found = CandidateStore(pool), list[str]()
        while page := await store.answered(project, "", found[-1] if found else "", 3):
            found += page
        assert found == answered
        assert await store.answered(project, new_id(), "", 3) == []


async def check_tags(client: Client, project: str, document: str, everything: list[str]) -> None:
    """Candidates are found under the tag whose place holds their chunk, and under those above it."""
    above = tag_pb2.Tag(project_id=project, title="All")
    above = (await client.tags.CreateTag(CreateTagRequest(tag=above))).tag
    place = tag_pb2.TagPlace(document_id=document)
    wanted = tag_pb2.Tag(project_id=project, parent_id=above.id, title="Kestrel", places=[place])
    tag = (await client.tags.CreateTag(CreateTagRequest(tag=wanted))).tag
    other = tag_pb2.Tag(project_id=project, title="Other")
    other = (await client.tags.CreateTag(CreateTagRequest(tag=other))).tag
    for tag_id, found in ((above.id, everything), (tag.id, everything), (other.id, [])):
        listed = await candidates_of(client, project, tag_id=tag_id)
        assert [one.id for one in listed] == found
        assert {tuple(one.tag_ids) for one in listed} <= {(tag.id,)}


def name_of(candidate: candidate_pb2.Candidate) -> str:
    """The type of an exam item, as the prompts name it."""
    return exam_item_pb2.ExamItemType.Name(candidate.exam_item.type).removeprefix("EXAM_ITEM_TYPE_").lower()


def check_content(kind: str, found: list[candidate_pb2.Candidate], language: str) -> None:
    """What is written has the shape that its kind promises."""
    if kind == "CONVERSATIONS":
        (one,) = found
        told = "You are a technician." if language == "en" else "你是a technician。"
        assert one.conversation.messages[0].content == f"A call.\n{told}"
        roles = [message.role for message in one.conversation.messages]
        assert roles == [message_pb2.ROLE_SYSTEM, *[message_pb2.ROLE_USER, message_pb2.ROLE_ASSISTANT] * 4]
        assert len({quote.text for quote in one.quotes}) == len(set(one.fact_ids)) == 4
    if kind == "PASSAGES":
        assert {one.passage.form for one in found} == set(range(1, 9))
        assert len({one.passage.text for one in found}) == 8
    if kind == "EXAM_ITEMS":
        assert Counter(map(name_of, found)) == dict.fromkeys(EXAM_ITEM_TYPES[:4], 1)
        for one in found:
            choices, correct = len(one.exam_item.choices), len(one.exam_item.correct)
            fitting = {"single_choice": choices == 4 and correct == 1, "multiple_choice": 4 <= choices <= 6}
            assert fitting.get(name_of(one), choices == correct == 0)
            assert bool(one.exam_item.answer) == (name_of(one) == "short_answer")
    if kind == "PREFERENCE_PAIRS":
        assert Counter(one.preference_pair.flaw for one in found) == {1: 4, 2: 4}
        assert len({one.question_id for one in found}) == 8
        assert all(one.preference_pair.chosen != one.preference_pair.rejected for one in found)


@pytest.mark.parametrize(("language", "text"), [("en", ENGLISH), ("zh", CHINESE)])
async def test_all_kinds_are_written_stored_listed_and_deleted(
    rooms: Rooms, client: Client, mock: MockServer, language: str, text: str
) -> None:
    project = await parsed_project(client, {"a.md": text.encode()}, min_size=1, max_size=2000)
    provider = await new_provider(client, project, mock.base_url)
    (chunk,) = await chunks_of(client, project)
    wanted = options_of("QUESTIONS", context_chars=ONLY_THE_FACT)
    asked = await generated(client, await start_generation(client, project, provider, wanted))
    assert asked.stats.answered == 8
    await check_paging(rooms, project, [one.id for one in await questions_of(client, asked)])
    made = await asyncio.gather(*(written(client, project, provider, kind) for kind in COUNTS))
    done = dict(zip(COUNTS, made, strict=True))
    for number, (kind, generation) in enumerate(done.items(), 1):
        found = await candidates_of(client, project, generation_id=generation.id)
        assert len(found) == COUNTS[kind] == generation.stats.kept_candidates, generation.stats
        assert (generation.stats.rejected_candidates, generation.stats.questions) == (0, 0)
        for one in found:
            await check_lineage(client, one, language, kind)
            got = await client.candidates.GetCandidate(pb.GetCandidateRequest(id=one.id))
            assert got.candidate == one
        check_content(kind, found, language)
        of_kind = {1: 1, 2: 3, 3: 4, 4: 2}[number]
        assert await candidates_of(client, project, kind=of_kind) == found
    kept = candidate_pb2.CANDIDATE_STATE_KEPT
    everything = await candidates_of(client, project, chunk_id=chunk.id, state=kept)
    assert [one.id for one in everything] == sorted(one.id for one in everything)
    assert len(everything) == sum(COUNTS.values())
    assert not await candidates_of(client, project, state=candidate_pb2.CANDIDATE_STATE_REJECTED)
    await check_tags(client, project, chunk.document_id, [one.id for one in everything])
    paid = (await mock.stats())["paid"]
    again = await written(client, project, provider, "PASSAGES")
    assert (again.stats.cached, again.stats.usage.calls) == (8, 0)
    assert (await mock.stats())["paid"] == paid
    await client.candidates.DeleteCandidate(pb.DeleteCandidateRequest(id=everything[0].id))
    gone = await failure(client.candidates.GetCandidate(pb.GetCandidateRequest(id=everything[0].id)))
    assert gone.reason == "CANDIDATE_NOT_FOUND"
    deleted = await client.generations.DeleteGeneration(DeleteGenerationRequest(id=again.id))
    assert (deleted.deleted_candidates, deleted.deleted_questions) == (8, 0)
    # A pair outlives its question.
    await client.generations.DeleteGeneration(DeleteGenerationRequest(id=asked.id))
    pairs = await candidates_of(client, project, generation_id=done["PREFERENCE_PAIRS"].id)
    assert [one.question_id for one in pairs] == [""] * len(pairs)


async def test_what_the_gates_reject_is_kept_with_the_reason_and_counted(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": ENGLISH.encode()}, min_size=1, max_size=2000)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(
        fixed={"text": "As the text says, all is well with the Kestrel and its fan. " + "x" * 60}
    )
    done = await written(client, project, provider, "PASSAGES")
    assert dict(done.stats.rejected_by_reason) == {"LEAK_PHRASE": 8}
    rejected = await candidates_of(client, project, state=candidate_pb2.CANDIDATE_STATE_REJECTED)
    assert [one.rejection.reason for one in rejected] == ["LEAK_PHRASE"] * 8
    gates = gates_pb2.Gates(off=["LEAK_PHRASE"])
    done = await written(client, project, provider, "PASSAGES", gates=gates)
    # All forms have the same text: the first is kept.
    assert dict(done.stats.rejected_by_reason) == {"DUPLICATE": 7}
    assert done.stats.kept_candidates == 1
    request = DeleteProjectDataRequest(project_id=project)
    deleted = await client.project_data("generation").DeleteProjectData(request)
    assert deleted.deleted_rows["generation.candidates"] == 16
    assert not await candidates_of(client, project)


async def test_a_long_paragraph_is_written_about_and_short_chunks_are_skipped_in_view(
    client: Client, mock: MockServer
) -> None:
    long = " ".join(f"The part number {number} is made by hand in the hall." for number in range(2100))
    assert len(long) > 100_000
    project = await parsed_project(client, {"long.md": long.encode()}, min_size=20_000, max_size=110_000)
    provider = await new_provider(client, project, mock.base_url)
    chunks = await chunks_of(client, project)
    assert max(len(chunk.text) for chunk in chunks) > 50_000
    forms = generation_pb2.PassageOptions(forms=[candidate_pb2.PASSAGE_FORM_LESSON])
    done = await written(client, project, provider, "PASSAGES", passages=forms)
    assert done.stats.kept_candidates == len(chunks)
    found = await candidates_of(client, project)
    assert sorted(one.quotes[0].text for one in found) == sorted(chunk.text for chunk in chunks)
    short = await parsed_project(
        client,
        {"short.md": b"# One\n\nThe kestrel rests at noon in a tree.\n\n# Two\n\nSee above.\n"},
        min_size=1,
        max_size=50,
    )
    provider = await new_provider(client, short, mock.base_url)
    counts = {}
    for kind in ("CONVERSATIONS", "PASSAGES", "EXAM_ITEMS"):
        job = (await written(client, short, provider, kind)).job
        counts[kind] = (job.counts.skipped, job.counts.total - job.counts.skipped - 1)
    chunks = await chunks_of(client, short)
    told = sum("kestrel" in chunk.text for chunk in chunks)
    assert counts == {
        "CONVERSATIONS": (len(chunks), 0),
        "PASSAGES": (len(chunks) - told, 8 * told),
        "EXAM_ITEMS": (len(chunks) - told, told),
    }


@pytest.mark.parametrize(("language", "topic"), [("en", "Bicycles"), ("zh", "自行车的修理与保养")])
async def test_a_distillation_writes_exactly_so_many_questions_without_documents(
    client: Client, mock: MockServer, language: str, topic: str
) -> None:
    project = await new_project(client)
    provider = await new_provider(client, project, mock.base_url)
    own = generation_pb2.DistillationOptions(topic=topic, levels=2, tags_per_level=2, questions_per_tag=12)
    done = await written(client, project, provider, "DISTILLATION", distillation=own)
    assert (done.stats.questions, done.stats.answered) == (2**2 * 12, 2**2 * 12), done.stats
    questions = await questions_of(client, done)
    paths = Counter(tuple(one.heading_path) for one in questions)
    assert list(paths.values()) == [12] * 4
    assert {(path[0], len(path)) for path in paths} == {(topic, 3)}
    for one in questions:
        assert (len(one.chunk_ids), one.HasField("fact"), len(one.answer.quotes)) == (0, False, 0)
        assert one.state == question_pb2.QUESTION_STATE_ANSWERED
        assert one.origin.prompt_version == f"topic_questions.{language}@1"
        assert one.answer.origin.prompt_version == f"topic_answer.{language}@1"


async def test_what_cannot_be_written_is_refused_at_once(client: Client, mock: MockServer) -> None:
    project = await new_project(client)
    provider = await new_provider(client, project, mock.base_url)
    reasons = {
        "CONVERSATIONS": "NO_CHUNKS",
        "PASSAGES": "NO_CHUNKS",
        "EXAM_ITEMS": "NO_CHUNKS",
        "PREFERENCE_PAIRS": "NO_ANSWERED_QUESTIONS",
        "DISTILLATION": "TOPIC_MISSING",
    }
    for kind, reason in reasons.items():
        error = await failure(start_generation(client, project, provider, options_of(kind)))
        assert error.reason == reason


async def test_every_prompt_can_be_previewed(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": ENGLISH.encode()}, min_size=1, max_size=2000)
    options = options_of("CONVERSATIONS", **OPTIONS["CONVERSATIONS"])
    for prompt in ALL:
        request = prompt_service_pb2.PreviewPromptRequest(
            project_id=project, version=prompt.builtin, options=options
        )
        shown = await client.prompts.PreviewPrompt(request)
        of_chunks = {"passage", "facts", "source", "outline", "beginning"}
        # The question that a learner is asked is about a chunk, too.
        about_chunk = prompt.name == "probe" or bool(of_chunks & {one.name for one in prompt.variables})
        assert bool(shown.chunk_id) == about_chunk
        assert ("$$5 and its code is {{x}} {% raw %}" in shown.messages[-1].content) == about_chunk
        if prompt.name == "conversation":
            assert "A call." in shown.messages[0].content


async def test_the_command_line_writes_lists_shows_and_deletes(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": ENGLISH.encode()}, min_size=1, max_size=2000)
    provider = await new_provider(client, project, mock.base_url)
    cli = CommandLine(rooms, project)
    (document,) = (await documents_of(client, project)).values()
    wanted = ["--project", project, "--provider", provider, "--wait"]
    own = ["--form", "key-concepts", "--form", "case", "--document", document.id]
    code, printed = await cli.run("--json", "generate", "passages", *wanted, *own)
    assert code == 0, printed
    made = json.loads(printed.splitlines()[-1])
    assert made["stats"]["kept_candidates"] == "2"
    code, printed = await cli.run("candidate", "list", "--project", project, "--kind", "passage")
    assert code == 0, printed
    assert "key_concepts" in printed
    (one, _) = await candidates_of(client, project)
    code, printed = await cli.run("candidate", "delete", one.id)
    assert (code, len(await candidates_of(client, project))) == (0, 1)
    code, printed = await cli.run("--lang", "zh", "generate", "preference-pairs", *wanted)
    assert (code, "请先出题" in printed) == (1, True)
