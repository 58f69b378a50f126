"""What is lost, done twice or paid twice when workers are killed and the stores go away.

Three workers write and answer `--questions` questions against a mock model server of 500 ms, three times: with
kill -9 of a random worker every five seconds, with a restart of Postgres in the middle, and with the S3 server away
for twenty seconds (generations keep nothing there: that run shows that they wait for nothing there either). Prints one
JSON object:

- `kill_lost`: questions without an answer at the end, over the three runs;
- `kill_duplicates`: answers or wordings stored twice;
- `paid_over_ideal`: calls paid beyond one each, less those in flight when a worker was killed, of the worst of the
  runs; 0 or less is the bar;
- `kills`, `in_flight`, `paid_again`: kills, calls in flight at them, and calls paid a second time in all.

In flight is a call of the killed worker from its beginning until its answer is stored, as that worker's own metrics
tell at the moment of its death. A store that goes away kills nobody: it leaves no call to be paid again.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from services.runtime.config import RuntimeConfig
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.generation.v1 import generation_pb2
from tests.bench.generation_lab import FORMS, Lab, is_asked, lab, parser_of, tell, until
from tests.integration.generations import questions_of, states
from tests.integration.stores import HOST, Room, started_room

LATENCY_MS = 500
WORKERS = 3
KILL_SECONDS = 5.0
AWAY_SECONDS = 20.0
MOST_SECONDS = 3000.0
CALLS = {"sishu_generation_llm_in_flight_calls", "sishu_generation_llm_calls_total"}
ITEMS = "sishu_generation_items_total"
DICE = random.Random(7)  # noqa: S311  # no secret


@dataclass
class Crew:
    """Workers that are replaced when they are killed."""

    here: Lab
    stack: AsyncExitStack
    workers: list[Room] = field(default_factory=list)
    kills: int = 0
    in_flight: int = 0
    """Calls in flight of the workers at their deaths: the most that may be paid again."""

    async def hire(self) -> None:
        """Start one more."""
        # What is shipped, not the hurry of the tests: a worker starved for so long counts as dead.
        env = {"SISHU_HEARTBEAT_SECONDS": RuntimeConfig.heartbeat_seconds}
        room = started_room(self.here.rooms.stores, "generation", "worker", env=env)
        self.workers.append(await self.stack.enter_async_context(room))

    async def kill_one(self) -> None:
        """kill -9, and a new one in its place."""
        victim = self.workers.pop(DICE.randrange(len(self.workers)))
        self.in_flight += await calls_in_flight(victim)
        self.kills += 1
        await victim.kill()
        await self.hire()


Trouble = Callable[[Crew, asyncio.Event], Coroutine[None, None, None]]


async def kills(crew: Crew, ended: asyncio.Event) -> None:
    """Kill a random worker every few seconds until the end."""
    while not ended.is_set():
        await crew.kill_one()
        await wait(ended, KILL_SECONDS)


async def postgres_restart(crew: Crew, ended: asyncio.Event) -> None:
    """Stop Postgres for a moment, after a while."""
    await wait(ended, KILL_SECONDS)
    await crew.here.servers.postgres.stop()
    await asyncio.sleep(1)
    await crew.here.servers.postgres.start()


async def s3_outage(crew: Crew, ended: asyncio.Event) -> None:
    """Have no S3 server for a while."""
    await wait(ended, KILL_SECONDS)
    await crew.here.servers.s3.stop()
    await asyncio.sleep(AWAY_SECONDS)
    await crew.here.servers.s3.start()


async def calls_in_flight(worker: Room) -> int:
    """Calls of a worker that began and whose answers are not stored; it stands still from then on."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://{HOST}:{worker.metrics_port}/metrics")
    worker.process.send(signal.SIGSTOP)
    samples = [one for family in text_string_to_metric_families(answer.text) for one in family.samples]
    begun = sum(one.value for one in samples if one.name in CALLS)
    done = sum(one.value for one in samples if one.name == ITEMS and one.labels["outcome"] == "done")
    # Those that make no call count as little as the one that plans.
    return int(begun - done)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but no longer than this."""
    await asyncio.wait({asyncio.create_task(event.wait())}, timeout=seconds)


async def main() -> None:
    """Measure and print the figures."""
    parser = parser_of("generation_durability")
    parser.add_argument("--questions", type=int, default=5000)
    questions = parser.parse_args().questions
    total: Counter[str] = Counter()
    over: list[int] = []
    env = {"SISHU_GENERATION_CONCURRENCY": 0, "SISHU_HEARTBEAT_SECONDS": 3}
    for trouble in (kills, postgres_restart, s3_outage):
        async with lab({"latency_ms": LATENCY_MS, "jitter_ms": 50}, **env) as here:
            figures = await suffered(here, questions, trouble)
        tell(f"{trouble.__name__}: {figures}")
        total.update(figures)
        over.append(figures["paid_again"] - figures["in_flight"])
    print(json.dumps({**total, "paid_over_ideal": max(over)}))


async def suffered(here: Lab, questions: int, trouble: Trouble) -> dict[str, int]:
    """A generation under a trouble, and what became of it."""
    facts = -(-questions // FORMS)
    project = await here.project(facts * (1 + FORMS))
    generation = await here.start(project)
    async with AsyncExitStack() as stack:
        crew = Crew(here, stack)
        for _ in range(WORKERS):
            await crew.hire()
        await until(lambda: is_asked(here.mock))
        ended = asyncio.Event()
        troubling = asyncio.create_task(trouble(crew, ended))
        try:
            await until(lambda: has_ended(here, generation), MOST_SECONDS)
        finally:
            ended.set()
            await troubling
        stored = await questions_of(here.client, generation)
    paid = await here.mock.stats()
    wordings = Counter(question.text for question in stored)
    return {
        "kill_lost": facts * FORMS - states(stored)["ANSWERED"],
        "kill_duplicates": sum(count - 1 for count in wordings.values()),
        "paid_again": int(paid["paid"] - paid["distinct_prompts"]),
        "in_flight": crew.in_flight,
        "kills": crew.kills,
    }


async def has_ended(here: Lab, generation: generation_pb2.Generation) -> bool:
    """Whether its job has; a database that is away is no answer."""
    await asyncio.sleep(1)
    try:
        request = job_service_pb2.GetJobRequest(id=generation.job.id)
        job = (await here.client.jobs("generation").GetJob(request)).job
    except Exception:
        return False
    return job.state in {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED}


if __name__ == "__main__":
    asyncio.run(main())
