"""The search for examples that say the same, through the room and a real Postgres, by the number of examples.

`measure` returns:

- `dedupe_s`: seconds from CreateDeduplication to the end of its job, of the largest number;
- `dedupe_peak_mb`: largest resident memory of the room meanwhile;
- `growth`: both by the number of examples, with what was found.

A tenth of the examples are exact copies of earlier ones, a tenth near copies (a word is another), as if they had
been imported from a file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil

from services.dataset.examples.copying import copy_examples
from services.dataset.examples.examples import Example, Message
from services.runtime.db import Pool
from services.runtime.ids import new_id
from services.runtime.server import Servicer
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.common.v1.job_service_pb2 import GetJobRequest
from sishu.dataset.v1 import deduplication_pb2
from sishu.dataset.v1 import deduplication_service_pb2 as pb
from sishu.ingest.v1 import project_service_pb2_grpc
from tests.integration.dataset_school import FakeProjects
from tests.integration.stand_ins import serving
from tests.integration.stores import Servers, fresh_stores, started_room, started_servers

COUNTS = (10_000, 100_000, 1_000_000)
ROWS = 5000
POLL_SECONDS = 0.1
MEGABYTE = 1e6
WORDS = 20_000


async def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dataset_dedupe")
    parser.add_argument("--examples", type=int, nargs="+", default=COUNTS)
    flags = parser.parse_args()
    print(json.dumps(await measure(flags.examples)))


async def measure(counts: list[int]) -> dict[str, Any]:
    """The figures above."""
    growth: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with started_servers(Path(folder)) as servers:
            for count in counts:
                growth[str(count)] = await measured(servers, count)
    last = growth[str(counts[-1])]
    return {"dedupe_s": last["seconds"], "dedupe_peak_mb": last["peak_mb"], "growth": growth}


async def measured(servers: Servers, count: int) -> dict[str, Any]:
    """The figures of one number of examples, in a fresh database and room."""
    project_id = new_id()
    projects = Servicer(
        "sishu.ingest.v1.ProjectService",
        project_service_pb2_grpc.add_ProjectServiceServicer_to_server,
        FakeProjects(),  # type: ignore[abstract]  # the other rpcs answer UNIMPLEMENTED
    )
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(fresh_stores(servers))
        async with stores.pool("dataset") as pool:
            await fill(pool, project_id, count)
        await stack.enter_async_context(serving(stores, "ingest", projects))
        room = await stack.enter_async_context(started_room(stores, "dataset"))
        client = await stack.enter_async_context(stores.client())
        before = memory(room.pid)
        found, seconds, peak = await search(client, project_id, room.pid)
    return {
        "seconds": round(seconds, 2),
        "peak_mb": round(peak),
        "idle_mb": round(before),
        "clusters": found.counts.clusters,
        "duplicates": found.counts.duplicates,
        "near_copies": found.counts.near_copies,
    }


async def search(
    client: Client, project_id: str, pid: int
) -> tuple[deduplication_pb2.Deduplication, float, float]:
    """What a search finds, its seconds, and the largest memory of the room in megabytes."""
    started, peak = time.monotonic(), 0.0
    wanted = deduplication_pb2.Deduplication(project_id=project_id)
    made = await client.deduplications.CreateDeduplication(
        pb.CreateDeduplicationRequest(deduplication=wanted)
    )
    while True:
        peak = max(peak, memory(pid))
        job = (await client.jobs("dataset").GetJob(GetJobRequest(id=made.deduplication.job.id))).job
        if job.state == job_pb2.JOB_STATE_SUCCEEDED:
            break
        if job.state == job_pb2.JOB_STATE_FAILED:
            raise RuntimeError(job.failure.message)
        await asyncio.sleep(POLL_SECONDS)
    seconds = time.monotonic() - started
    request = pb.GetDeduplicationRequest(id=made.deduplication.id)
    return (await client.deduplications.GetDeduplication(request)).deduplication, seconds, peak


def memory(pid: int) -> float:
    """Resident megabytes of a process and its children."""
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / MEGABYTE


async def fill(pool: Pool, project_id: str, count: int) -> None:
    """Make examples, straight into the tables."""
    texts = asked(count)
    async with pool.acquire() as connection:
        for start in range(0, count, ROWS):
            some = [example(project_id, next(texts)) for _ in range(min(ROWS, count - start))]
            await copy_examples(connection, some)
        await connection.execute("ANALYZE examples, example_contents")


def example(project_id: str, text: str) -> Example:
    """An example that asks this."""
    answer = f"It is as the contract says: {text[:40]}."
    return Example(new_id(), project_id, "sft", [Message("user", text), Message("assistant", answer)])


def asked(count: int, seed: int = 1) -> Iterator[str]:
    """Questions of some 20 words, of which a tenth are copies and a tenth near copies of earlier ones."""
    draw = random.Random(seed)  # noqa: S311  # made-up texts
    words = ["".join(draw.choices("abcdefghijklmnoprstuvwz", k=draw.randint(2, 9))) for _ in range(WORDS)]
    kept: list[str] = []
    for _ in range(count):
        chance = draw.random()
        if kept and chance < 0.2:
            text = draw.choice(kept)
            if chance < 0.1:
                parts = text.split(" ")
                parts[draw.randrange(len(parts))] = draw.choice(words)
                text = " ".join(parts)
        else:
            text = " ".join(draw.choices(words, k=draw.randint(12, 28))) + "?"
            if len(kept) < WORDS:
                kept.append(text)
        yield text


if __name__ == "__main__":
    asyncio.run(main())
