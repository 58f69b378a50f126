"""Dataset versions of ever more examples, through the room, its queue, Postgres and the bucket.

`measure` returns, for each size:

- `rows_s`: kept examples of some 600 bytes made into a version, from the start of the job to its end;
- `cpu_s`: seconds of processor time of the worker;
- `peak_mb`: largest resident memory of the worker;
- `diff_s`, `diff_peak_mb`: of the diff from it to a version of the same examples with another seed;

and `version_rows_s` and `version_peak_mb` of the largest size.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from services.dataset.examples.copying import (
    CONTENT_COLUMNS,
    EXAMPLE_COLUMNS,
    content_line,
    copy_lines,
    example_line,
)
from services.dataset.examples.examples import Example, Lineage, Message, Quote
from services.runtime.ids import derived_id, new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.dataset.v1 import dataset_service_pb2 as pb
from sishu.dataset.v1.dataset_version_pb2 import DatasetOptions, DatasetVersion
from tests.integration.documents import end_of
from tests.integration.stores import Room, Stores, fresh_stores, started_room, started_servers

SIZES = (10_000, 100_000, 1_000_000)
BATCH = 5000
A_DOCUMENT = 200


def example_of(project: str, number: int) -> Example:
    """An example of its own; three ask for one fact, of some hundreds in a document."""
    fact, form = divmod(number, 3)
    document = derived_id(project, str(number // A_DOCUMENT))
    name = derived_id("name", str(fact))
    asked = ("What does part {} weigh, and who says so?", "请问部件 {} 有多重？", "Tell me how heavy {} is.")[
        form
    ]
    return Example(
        id=new_id(),
        project_id=project,
        kind="sft",
        messages=[
            Message("user", asked.format(name)),
            Message(
                "assistant", f"Part {name} weighs {fact % 977} g. " + "The works' own list says so. " * 5
            ),
        ],
        quotes=[Quote(f"Part {name}: {fact % 977} g.", name, document, 1, fact % 1000, fact % 1000 + 20)],
        lineage=Lineage(question_ids=[new_id()], document_id=document, fact_id=name, question_type="factual"),
    )


async def fill(stores: Stores, project: str, count: int) -> None:
    """Examples, straight into the tables."""
    async with stores.pool("dataset", 1) as pool, pool.acquire() as connection:
        for start in range(0, count, BATCH):
            found = [example_of(project, number) for number in range(start, min(count, start + BATCH))]
            await copy_lines(connection, "examples", EXAMPLE_COLUMNS, map(example_line, found))
            await copy_lines(connection, "example_contents", CONTENT_COLUMNS, map(content_line, found))
        await connection.execute("ANALYZE examples, example_contents")


async def peak_of(worker: Room, peak: list[float]) -> None:
    """Keep the largest resident memory of a worker, in MB, until cancelled."""
    process = psutil.Process(worker.pid)
    while True:
        peak[0] = max(peak[0], process.memory_info().rss / 1e6)
        await asyncio.sleep(0.1)


@asynccontextmanager
async def watched(stores: Stores) -> AsyncIterator[dict[str, float]]:
    """A worker; seconds, those of its processor time, and its largest memory until the end of the block."""
    async with started_room(stores, "dataset", "worker", "--concurrency", "1") as worker:
        peak, found = [0.0], {"seconds": 0.0}
        watch = asyncio.create_task(peak_of(worker, peak))
        cpu = psutil.Process(worker.pid).cpu_times()
        started = time.monotonic()
        yield found
        found["seconds"] = time.monotonic() - started
        used = psutil.Process(worker.pid).cpu_times()
        watch.cancel()
        found["cpu_s"] = round(used.user + used.system - cpu.user - cpu.system, 1)
        found["peak_mb"] = round(peak[0], 1)


async def made(client: Client, project: str, seed: int) -> str:
    """The id of a version of all examples of a project."""
    options = DatasetOptions(seed=seed)
    request = pb.CreateDatasetVersionRequest(
        dataset_version=DatasetVersion(project_id=project, options=options)
    )
    version = (await client.datasets.CreateDatasetVersion(request)).dataset_version
    await succeeded(client, version.job.id)
    return version.id


async def succeeded(client: Client, job_id: str) -> None:
    """Wait for the end of a job.

    Raises:
        RuntimeError: it ended badly.
    """
    job = await end_of(client, "dataset", job_id, seconds=3600)
    if job.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise RuntimeError(f"the job ended badly: {job}")


async def make(stores: Stores, client: Client, project: str, count: int) -> dict[str, float]:
    """A version of all examples of a project, and what changes with another seed."""
    async with watched(stores) as figures:
        base = await made(client, project, 1)
    async with watched(stores) as other:
        request = pb.DiffDatasetVersionsRequest(
            base_version_id=base, dataset_version_id=await made(client, project, 2)
        )
        started = time.monotonic()
        diff = (await client.datasets.DiffDatasetVersions(request)).dataset_diff
        await succeeded(client, diff.job.id)
        seconds = time.monotonic() - started
    rate = round(count / figures.pop("seconds"))
    return {"rows_s": rate, **figures, "diff_s": round(seconds, 2), "diff_peak_mb": other["peak_mb"]}


async def measure(sizes: Sequence[int], folder: Path) -> dict[str, Any]:
    """All sizes, one after the other."""
    figures: dict[str, Any] = {}
    async with (
        started_servers(folder) as servers,
        fresh_stores(servers) as stores,
        started_room(stores, "dataset", env={"SISHU_DATASET_CONCURRENCY": "0"}),
        stores.client() as client,
    ):
        for size in sizes:
            project = new_id()
            await fill(stores, project, size)
            figures[str(size)] = await make(stores, client, project, size)
            sys.stderr.write(f"{size}: {figures[str(size)]}\n")
    largest = figures[str(max(sizes))]
    return {"version_rows_s": largest["rows_s"], "version_peak_mb": largest["peak_mb"], "versions": figures}


def main() -> None:
    """Print the figures as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(arguments.sizes, Path(folder)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
