"""What becomes of work whose original or source is deleted, replaced or still in work when its turn comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.common.v1.job_service_pb2 import CancelJobRequest
from sishu.generation.v1 import candidate_pb2, gates_pb2, generation_pb2, provider_pb2, question_pb2
from sishu.generation.v1.provider_service_pb2 import UpdateProviderRequest
from sishu.generation.v1.question_service_pb2 import DeleteQuestionRequest
from tests.integration.documents import failure, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_provider,
    questions_of,
    start_generation,
    view,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms
from tests.integration.test_generation_candidates import candidates_of, options_of
from tests.integration.test_generation_regeneration import (
    ANSWERED,
    REJECTED,
    anew,
    asked,
    question,
    regenerated,
)
from tests.support.mock_llm import MockServer

NOWHERE = "http://127.0.0.1:9/v1"


async def moved(client: Client, provider: str, base_url: str) -> None:
    """Let a provider be found under another address."""
    wanted = provider_pb2.Provider(id=provider, base_url=base_url)
    request = UpdateProviderRequest(provider=wanted, update_mask=FieldMask(paths=["base_url"]))
    await client.providers.UpdateProvider(request)


async def in_trouble(client: Client, generation_id: str) -> bool:
    """Whether an item of a generation waits for its server."""
    return bool((await view(client, generation_id)).job.progress)


async def judged_by_nobody(
    client: Client, mock: MockServer, kind: str = "QUESTIONS"
) -> tuple[str, str, generation_pb2.Generation]:
    """A project with one fact, a provider, and a generation whose judge is not to be found."""
    project = await parsed_project(client, {"a.md": handbook(1)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    nobody = await new_provider(client, project, NOWHERE)
    gates = gates_pb2.Gates(judge=gates_pb2.Judge(provider_id=nobody))
    options = options_of(kind, context_chars=ONLY_THE_FACT, gates=gates)
    return project, provider, await start_generation(client, project, provider, options)


async def test_an_original_that_was_deleted_meanwhile_is_not_taken_for_a_text_that_never_came(
    client: Client, mock: MockServer
) -> None:
    project, _, _, (first, second, *_) = await asked(client, mock)
    provider = await new_provider(client, project, NOWHERE)
    made = await start_generation(client, project, provider, anew(first.id, second.id, instruction="Else."))
    await eventually(lambda: in_trouble(client, made.id))
    await client.questions.DeleteQuestion(DeleteQuestionRequest(id=first.id))
    await moved(client, provider, mock.base_url)
    made = await generated(client, made)
    (new,) = await questions_of(client, made)
    assert (new.state, new.replaces_id, new.form) == (ANSWERED, second.id, second.form)
    assert dict(made.stats.missing_by_reason) == {"ORIGINAL_GONE": 1}
    assert (made.stats.missing, made.stats.questions) == (1, 1)


async def test_what_was_replaced_meanwhile_is_skipped_before_anything_is_paid(
    client: Client, mock: MockServer
) -> None:
    project, good, _, (first, second, *_) = await asked(client, mock)
    provider = await new_provider(client, project, NOWHERE)
    both = await start_generation(client, project, provider, anew(first.id, second.id, instruction="Late."))
    await eventually(lambda: in_trouble(client, both.id))
    _, (new,) = await regenerated(client, project, good, anew(first.id, instruction="Soon."))
    await moved(client, provider, mock.base_url)
    both = await generated(client, both)
    (late,) = await questions_of(client, both)
    assert (late.replaces_id, late.state) == (second.id, ANSWERED)
    assert dict(both.stats.missing_by_reason) == {"ORIGINAL_REPLACED": 1}
    assert (await question(client, new.id)).state == ANSWERED


async def test_what_ends_after_its_original_was_replaced_is_rejected_also_where_that_was_replaced_as_well(
    client: Client, mock: MockServer
) -> None:
    project, provider, _, (first, *_) = await asked(client, mock)
    await mock.reset()
    await mock.control(latency_ms=6000)
    slow = await start_generation(client, project, provider, anew(first.id, instruction="Slow."))
    async with asyncio.timeout(20):
        while not (await mock.stats())["calls"]:
            await asyncio.sleep(0.05)
    await mock.control(latency_ms=0)
    _, (new,) = await regenerated(client, project, provider, anew(first.id, instruction="One."))
    _, (newest,) = await regenerated(client, project, provider, anew(new.id, instruction="Two."))
    slow = await generated(client, slow)
    (late,) = await questions_of(client, slow)
    states = [(await question(client, one.id)).state for one in (first, new, newest, late)]
    assert states == [REJECTED, REJECTED, ANSWERED, REJECTED]
    assert (late.rejection.reason, late.rejection.metadata["id"]) == ("REPLACED", new.id)
    assert late.answer.text
    assert dict(slow.stats.rejected_by_reason) == {"REPLACED": 1}


@pytest.mark.full
async def test_of_candidates_too_the_first_that_is_kept_stays(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    done = await generated(
        client, await start_generation(client, project, provider, options_of("EXAM_ITEMS"))
    )
    (old, *_) = await candidates_of(client, project, generation_id=done.id)

    def wanted(candidate_id: str, wish: str) -> generation_pb2.GenerationOptions:
        regeneration = {"candidate_ids": [candidate_id], "instruction": wish}
        return options_of("EXAM_ITEMS", regeneration=regeneration)

    await mock.reset()
    await mock.control(latency_ms=5000)
    slow = await start_generation(client, project, provider, wanted(old.id, "Slow."))
    async with asyncio.timeout(20):
        while not (await mock.stats())["calls"]:
            await asyncio.sleep(0.05)
    await mock.control(latency_ms=0)
    for wish in ("One.", "Two."):
        made = await generated(
            client, await start_generation(client, project, provider, wanted(old.id, wish))
        )
        (old,) = await candidates_of(client, project, generation_id=made.id)
        assert old.state == candidate_pb2.CANDIDATE_STATE_KEPT, old
    await generated(client, slow)
    (late,) = await candidates_of(client, project, generation_id=slow.id)
    assert (late.state, late.rejection.reason) == (candidate_pb2.CANDIDATE_STATE_REJECTED, "REPLACED")
    kept = await candidates_of(client, project, state=candidate_pb2.CANDIDATE_STATE_KEPT)
    assert [one.id for one in kept if one.replaces_id] == [old.id]


@pytest.mark.full
async def test_what_is_still_in_work_is_not_regenerated_and_can_be_when_that_has_ended(
    client: Client, mock: MockServer
) -> None:
    project, provider, made = await judged_by_nobody(client, mock)
    async with asyncio.timeout(30):
        while [one.state for one in await questions_of(client, made)] != [
            question_pb2.QUESTION_STATE_JUDGING
        ] * 2:
            await asyncio.sleep(0.1)
    first, second = await questions_of(client, made)
    error = await failure(start_generation(client, project, provider, anew(first.id, second.id)))
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "ORIGINAL_IN_WORK")
    assert error.field == "generation.options.regeneration.question_ids"
    assert (error.metadata["id"], error.metadata["state"]) == (first.id, "judging")
    for told in (first.id, second.id, "judging", made.job.id):
        assert told in error.message
    await client.jobs("generation").CancelJob(CancelJobRequest(id=made.job.id))
    _, (new,) = await regenerated(client, project, provider, anew(first.id, instruction="Else."))
    assert (new.state, new.replaces_id) == (ANSWERED, first.id)
    assert (await question(client, first.id)).rejection.reason == "REPLACED"


@pytest.mark.parametrize(("kind", "table"), [("QUESTIONS", "questions"), ("EXAM_ITEMS", "candidates")])
async def test_what_waits_for_a_judge_and_whose_chunk_is_deleted_is_rejected(
    client: Client, mock: MockServer, rooms: Rooms, kind: str, table: str
) -> None:
    project, _, made = await judged_by_nobody(client, mock, kind)

    async def waiting() -> list[Any]:
        if kind == "QUESTIONS":
            found = await questions_of(client, made)
            return [one for one in found if one.state == question_pb2.QUESTION_STATE_JUDGING]
        return await candidates_of(
            client, project, generation_id=made.id, state=candidate_pb2.CANDIDATE_STATE_JUDGING
        )

    async with asyncio.timeout(30):
        while not (found := await waiting()) or not await in_trouble(client, made.id):
            await asyncio.sleep(0.1)
    count = len(found)
    # Workers have the chunk at hand for a while, as it never changes.
    async with rooms.stores.pool("generation") as pool:
        await pool.execute(f"UPDATE {table} SET chunk_ids = $1 WHERE generation_id = $2", [new_id()], made.id)
    ended = await generated(client, made)
    assert ended.job.state == job_pb2.JOB_STATE_SUCCEEDED, ended.job
    assert ended.job.counts.skipped == count
    assert dict(ended.stats.rejected_by_reason) == {"CHUNK_GONE": count}
    assert not await waiting()


@pytest.mark.parametrize("begun", [False, True])
async def test_what_waits_for_its_question_or_answer_and_whose_chunk_is_deleted_is_skipped_with_the_reason(
    client: Client, mock: MockServer, rooms: Rooms, begun: bool
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(next_faults=["ok"] * begun + ["500"] * 20)
    made = await start_generation(client, project, provider)
    await eventually(lambda: in_trouble(client, made.id))
    # Workers have the chunk at hand for a while, as it never changes.
    async with rooms.stores.pool("generation") as pool:
        await pool.execute(
            "UPDATE questions SET chunk_ids = $1 WHERE generation_id = $2", [new_id()], made.id
        )
        await pool.execute("UPDATE job_items SET resource_id = $1 WHERE kind = 'write_questions'", new_id())
    ended = await generated(client, made)
    counts, told, stats = ended.job.counts, {"CHUNK_GONE": 2}, ended.stats
    assert (ended.job.state, counts.failed) == (job_pb2.JOB_STATE_SUCCEEDED, 0), ended.job
    assert counts.skipped == (2 if begun else 1)
    assert (dict(stats.rejected_by_reason), dict(stats.missing_by_reason)) == (
        (told, {}) if begun else ({}, told)
    )
    assert {one.state for one in await questions_of(client, ended)} == ({REJECTED} if begun else set())


async def test_a_question_that_is_deleted_before_it_is_answered_is_skipped(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(next_faults=["ok", *["500"] * 20])
    made = await start_generation(client, project, provider)
    await eventually(lambda: in_trouble(client, made.id))
    first, second = await questions_of(client, made)
    await client.questions.DeleteQuestion(DeleteQuestionRequest(id=first.id))
    await mock.control(next_faults=[])
    ended = await generated(client, made)
    assert (ended.job.state, ended.job.counts.skipped) == (job_pb2.JOB_STATE_SUCCEEDED, 1), ended.job
    (left,) = await questions_of(client, ended)
    assert (left.id, left.state) == (second.id, ANSWERED)
