"""Data files of ever more rows, imported through the room, its queue, Postgres and the bucket.

`measure` returns:

- `import_rows_s`: rows of some 600 bytes that become examples a second, from the start of the job to its end, of the
  largest file, and `import_peak_mb`: the largest resident memory of the worker;
- `imports`: both, and seconds of processor time of the worker, with the process that reads for it, and of Postgres, by the
  number of rows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from services.runtime.ids import new_id
from services.runtime.server import Servicer
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.dataset.v1 import import_pb2
from sishu.dataset.v1 import import_service_pb2 as pb
from sishu.ingest.v1 import project_service_pb2_grpc
from sishu.learn.data_files import upload_data
from tests.bench.dataset_versions import peak_of
from tests.integration.dataset_school import FakeProjects
from tests.integration.documents import end_of
from tests.integration.stand_ins import serving
from tests.integration.stores import Stores, fresh_stores, started_room, started_servers

SIZES = (10_000, 100_000, 1_000_000)


async def measure(sizes: Sequence[int], folder: Path) -> dict[str, Any]:
    """All sizes, one after the other, each into a project of its own."""
    figures: dict[str, Any] = {}
    projects = Servicer(
        "sishu.ingest.v1.ProjectService",
        project_service_pb2_grpc.add_ProjectServiceServicer_to_server,
        FakeProjects(),  # type: ignore[abstract]  # the other rpcs answer UNIMPLEMENTED
    )
    async with (
        started_servers(folder) as servers,
        fresh_stores(servers) as stores,
        serving(stores, "ingest", projects),
        started_room(stores, "dataset", env={"SISHU_DATASET_CONCURRENCY": "0"}),
        stores.client() as client,
    ):
        for size in sizes:
            path = folder / f"rows-{size}.jsonl"
            await asyncio.to_thread(write, path, size)
            figures[str(size)] = await imported(stores, client, path, size)
            path.unlink()
            sys.stderr.write(f"{size}: {figures[str(size)]}\n")
    largest = figures[str(max(sizes))]
    return {"import_rows_s": largest["rows_s"], "import_peak_mb": largest["peak_mb"], "imports": figures}


def write(path: Path, rows: int) -> None:
    """A file of alpaca rows, each of which asks something else."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(rows):
            said = f"Part {number} weighs {number % 977} g, says the list of the works. " * 8
            row = {"instruction": f"How heavy is part {number * 7919}?", "input": "", "output": said}
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


async def imported(stores: Stores, client: Client, path: Path, rows: int) -> dict[str, float]:
    """The figures of one file."""
    project = new_id()
    file = import_pb2.ImportFile(upload_id=await upload_data(client, project, path))
    async with started_room(stores, "dataset", "worker", "--concurrency", "1") as worker:
        peak = [0.0]
        watch = asyncio.create_task(peak_of(worker, peak))
        before, before_there = seconds_of([psutil.Process(worker.pid)]), seconds_of(databases())
        started = time.monotonic()
        wrapped: dict[str, Any] = {"import": import_pb2.Import(project_id=project, file=file)}
        made = getattr(await client.imports.CreateImport(pb.CreateImportRequest(**wrapped)), "import")
        job = await end_of(client, "dataset", made.job.id, seconds=3600)
        seconds = time.monotonic() - started
        used, used_there = seconds_of([psutil.Process(worker.pid)]), seconds_of(databases())
        watch.cancel()
    if job.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise RuntimeError(f"the job ended badly: {job}")
    return {
        "rows_s": round(rows / seconds),
        "cpu_s": round(used - before, 1),
        "postgres_cpu_s": round(used_there - before_there, 1),
        "peak_mb": round(peak[0], 1),
    }


def databases() -> list[psutil.Process]:
    """The processes of Postgres that this one has started."""
    return [one for one in psutil.Process().children(recursive=True) if "postgres" in one.name()]


def seconds_of(processes: Sequence[psutil.Process]) -> float:
    """Their processor time in seconds, with that of their children that have ended."""
    return sum(sum(process.cpu_times()[:4]) for process in processes)


def main() -> None:
    """Print the figures as one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dataset_imports")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    sizes = parser.parse_args().sizes
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        print(json.dumps(asyncio.run(measure(sizes, Path(folder)))))


if __name__ == "__main__":
    main()
