"""Answers of language models are kept: what was asked before is not paid again."""

from __future__ import annotations

import pytest

from services.runtime.db import Pool
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.generation.v1 import generation_pb2
from tests.integration.documents import new_project, parse, parsed_project, upload
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_provider,
    priced_provider,
    questions_of,
    start_generation,
    states,
)
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer, mock_llm

SMALL = {"min_size": 1, "max_size": 100}


async def run(
    client: Client, project: str, provider: str, **options: float | bool
) -> generation_pb2.Generation:
    wanted = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, **options)  # type: ignore[arg-type]
    done = await generated(client, await start_generation(client, project, provider, wanted))
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    return done


async def test_an_identical_run_makes_no_call_and_the_same_answers(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(4)}, **SMALL)
    provider = await priced_provider(client, project, mock.base_url)
    first = await run(client, project, provider)
    await mock.reset()
    second = await run(client, project, provider)
    assert (await mock.stats())["calls"] == 0
    stats = second.stats
    assert (stats.usage.calls, stats.usage.prompt_tokens, stats.cost, stats.cached) == (0, 0, 0, 12)
    assert (first.stats.cached, first.stats.usage.calls) == (0, 12)
    ours, theirs = await questions_of(client, first), await questions_of(client, second)
    assert states(theirs) == {"ANSWERED": 8}
    assert {(q.text, q.answer.text) for q in ours} == {(q.text, q.answer.text) for q in theirs}
    assert {q.answer.origin.usage.calls for q in theirs} == {0}
    assert {(q.origin.model, q.origin.prompt_version) for q in theirs} == {("mock-model", "questions.en@1")}


async def test_an_identical_run_needs_no_server(client: Client) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    async with mock_llm() as server:
        provider = await new_provider(client, project, server.base_url)
        await run(client, project, provider)
    assert (await run(client, project, provider)).stats.answered == 4


async def test_a_changed_document_makes_calls_for_its_changed_chunks_only(
    client: Client, mock: MockServer
) -> None:
    project = await new_project(client)
    text = handbook(100)
    await upload(client, project, "a.md", text)
    await parse(client, project, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await run(client, project, provider)
    await mock.reset()
    changed = text.replace(b"number 50 of the Kestrel weighs 50", b"number 50 of the Kestrel weighs 49")
    await upload(client, project, "a.md", changed)
    await parse(client, project, **SMALL)
    done = await run(client, project, provider)
    assert (await mock.stats())["calls"] == done.stats.usage.calls == 3
    assert (done.stats.answered, done.stats.cached) == (200, 297)


@pytest.mark.parametrize("change", [{"no_cache": True}, {"forms_per_fact": 3}])
async def test_another_question_or_no_cache_is_paid(
    client: Client, mock: MockServer, change: dict[str, float]
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await run(client, project, provider)
    done = await run(client, project, provider, **change)
    assert (done.stats.cached, done.stats.usage.calls) == (0, 1 + (change.get("forms_per_fact") or 2))
    assert (await run(client, project, provider, **change)).stats.cached == (0 if "no_cache" in change else 4)


async def kept(pool: Pool, project: str) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM llm_answers WHERE project_id = $1", project))


async def test_kept_answers_are_validated_again_belong_to_a_project_and_go_with_it(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    other = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    for one in (project, other):
        await run(client, one, await new_provider(client, one, mock.base_url))
    assert (await mock.stats())["paid"] == 6
    async with rooms.stores.pool("generation") as pool:
        await pool.execute(
            """UPDATE llm_answers SET answer = jsonb_set(answer, '{value}', '"moved"') WHERE project_id = $1""",
            project,
        )
        again = await run(client, project, await new_provider(client, project, mock.base_url))
        assert (again.stats.answered, again.stats.usage.calls) == (2, 3)
        last = await run(client, project, await new_provider(client, project, mock.base_url))
        assert last.stats.cached == 3
        await client.project_data("generation").DeleteProjectData(
            DeleteProjectDataRequest(project_id=project)
        )
        assert [await kept(pool, one) for one in (project, other)] == [0, 3]


async def test_output_that_never_validated_is_not_kept(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(next_faults=["garbage"] * 3)
    wanted = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT)
    done = await generated(client, await start_generation(client, project, provider, wanted))
    assert done.job.state == job_pb2.JOB_STATE_FAILED
    async with rooms.stores.pool("generation") as pool:
        assert await kept(pool, project) == 0


async def test_a_part_of_an_answer_whose_rest_never_came_is_kept(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, min_size=200, max_size=400)
    provider = await new_provider(client, project, mock.base_url)
    fact = {"questions": ["What is half of it?", "How much is a half?"]}
    await mock.control(fixed={"fact_1": fact, "fact_2": {"questions": []}})
    first = await run(client, project, provider, chars_per_fact=20)
    assert first.stats.questions == 2
    second = await run(client, project, provider, chars_per_fact=20)
    assert (second.stats.questions, second.stats.usage.calls) == (2, 0)
