"""Generations whose workers are killed and whose database goes away: every question is answered once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio

from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.generation.v1 import generation_pb2
from tests.integration.documents import end_of, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    handbook,
    new_provider,
    questions_of,
    start_generation,
    states,
    view,
)
from tests.integration.processes import eventually
from tests.integration.stores import Room, Rooms, shared_rooms, started_room
from tests.support.mock_llm import MockServer, mock_llm

# Minutes of real processes: `make test-full`.
pytestmark = pytest.mark.full

FACTS = 54
FORMS = 4
QUESTIONS = FACTS * FORMS
IDEAL = FACTS + QUESTIONS
"""One call for each fact's questions, one for each answer."""
SLOTS = 16

# No process but the workers of these tests takes items; a starved worker must not count as dead.
rooms = pytest_asyncio.fixture(scope="module")(
    shared_rooms("ingest", "generation", SISHU_GENERATION_CONCURRENCY=0, SISHU_HEARTBEAT_SECONDS=3)
)


@dataclass(frozen=True)
class Run:
    """A generation of more than 200 questions, under way."""

    client: Client
    rooms: Rooms
    mock: MockServer
    generation: generation_pb2.Generation

    async def done(self) -> int:
        request = job_service_pb2.GetJobRequest(id=self.generation.job.id)
        return (await self.client.jobs("generation").GetJob(request)).job.counts.done

    async def reaches(self, done: int) -> None:
        async def reached() -> bool:
            return await self.done() >= done

        await eventually(reached, 90)

    async def worker(self, stack: AsyncExitStack) -> Room:
        context = started_room(self.rooms.stores, "generation", "worker", "--concurrency", str(SLOTS))
        return await stack.enter_async_context(context)


@pytest_asyncio.fixture
async def run(rooms: Rooms) -> AsyncIterator[Run]:
    async with mock_llm(latency_ms=250, jitter_ms=50) as mock:
        client = rooms.client
        project = await parsed_project(client, {"a.md": handbook(FACTS)}, min_size=1, max_size=100)
        provider = await new_provider(client, project, mock.base_url)
        options = generation_pb2.GenerationOptions(forms_per_fact=FORMS, context_chars=ONLY_THE_FACT)
        generation = await start_generation(client, project, provider, options)
        yield Run(client, rooms, mock, generation)


async def check_exactly_once(run: Run, lost_calls: int) -> None:
    """Every question has one answer, every counter equals the rows, and no more calls were paid than lost."""
    ended = await end_of(run.client, "generation", run.generation.job.id)
    assert ended.state == job_pb2.JOB_STATE_SUCCEEDED
    counts = ended.counts
    assert (counts.total, counts.done, counts.failed, counts.skipped) == (1 + IDEAL, 1 + IDEAL, 0, 0)
    questions = await questions_of(run.client, run.generation)
    assert states(questions) == {"ANSWERED": QUESTIONS}
    assert len({question.text for question in questions}) == QUESTIONS
    stats = (await view(run.client, run.generation.id)).stats
    assert (stats.questions, stats.answered, stats.rejected) == (QUESTIONS, QUESTIONS, 0)
    assert stats.usage.calls == IDEAL
    async with run.rooms.stores.pool("generation") as pool:
        rows = await pool.fetch(
            "SELECT state::text, count(*) FROM job_items WHERE job_id = $1 GROUP BY state", ended.id
        )
        calls = await pool.fetchval(
            "SELECT count(*) FROM llm_calls WHERE generation_id = $1", run.generation.id
        )
    assert dict(map(tuple, rows)) == {"done": 1 + IDEAL}
    assert calls == IDEAL
    paid = await run.mock.stats()
    assert paid["distinct_prompts"] == IDEAL
    assert paid["paid"] <= IDEAL + lost_calls, paid


@pytest.mark.gate
async def test_a_generation_whose_worker_is_killed_three_times_answers_every_question_once(run: Run) -> None:
    async with AsyncExitStack() as stack:
        worker = await run.worker(stack)
        for share in (0.2, 0.45, 0.7):
            await run.reaches(int(IDEAL * share))
            await worker.kill()
            assert await run.done() < IDEAL
            worker = await run.worker(stack)
        await check_exactly_once(run, lost_calls=3 * SLOTS)
        assert await worker.stop() == 0


async def test_a_generation_goes_on_when_postgres_was_away_in_the_middle(run: Run) -> None:
    async with AsyncExitStack() as stack:
        worker = await run.worker(stack)
        for share in (0.2, 0.6):
            await run.reaches(int(IDEAL * share))
            await run.rooms.stores.servers.postgres.stop()
            await asyncio.sleep(1)
            await run.rooms.stores.servers.postgres.start()
        await check_exactly_once(run, lost_calls=2 * SLOTS)
        for room in (worker, *run.rooms.processes.values()):
            assert room.process.running
            assert "Traceback" not in room.log()


async def test_two_workers_share_a_generation_and_one_that_is_told_to_stop_loses_nothing(run: Run) -> None:
    async with AsyncExitStack() as stack:
        leaving, staying = await asyncio.gather(run.worker(stack), run.worker(stack))
        await run.reaches(IDEAL // 3)
        leaving.process.send(signal.SIGTERM)
        assert await leaving.process.wait() == 0
        await check_exactly_once(run, lost_calls=0)
        assert staying.process.running
