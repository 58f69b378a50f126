"""Many small files through the ingest room, and the listing of a million chunks.

`measure` returns:

- `files_per_s`: files of 20 KB parsed by the room with two workers, from the start of the job to its end;
- `outside_parsing_share`: share of the workers' time in which no child process parsed;
- `upload_files_per_s`: files announced, sent and checked before that;
- `list_page_ms_at_1m`: median milliseconds of a page of 100 of 1,000,000 chunks, anywhere in the list;
- `list_first_page_ms`, `list_last_page_ms`: the same at both ends: the time does not grow;
- `worker_peak_mb`: largest resident memory of a worker with its children.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import psutil

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.ingest.v1 import chunk_service_pb2
from sishu.ingest.v1 import document_service_pb2 as document_pb
from sishu.learn.files import SourceFile, upload_files
from tests.integration.documents import end_of, new_project
from tests.integration.stores import HOST, Room, Stores, fresh_stores, started_room, started_servers

FILE_BYTES = 20_000
WORKERS = 2
CHUNKS_A_DOCUMENT = 1000
PAGE = 100
WORDS = [
    "warranty",
    "return",
    "delivery",
    "customer",
    "invoice",
    "device",
    "battery",
    "inspection",
    "report",
    "temperature",
    "pressure",
    "valve",
    "the",
    "a",
    "of",
    "in",
    "within",
    "after",
    "before",
    "thirty",
    "days",
    "office",
    "Kiel",
    "order",
    "number",
    "part",
    "label",
    "shipment",
]


async def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingest_service")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    flags = parser.parse_args()
    print(json.dumps(await measure(flags.files, flags.chunks)))


async def measure(files: int = 10_000, chunks: int = 1_000_000) -> dict[str, float]:
    """The figures by name."""
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        async with AsyncExitStack() as stack:
            servers = await stack.enter_async_context(started_servers(Path(folder), fast=False))
            stores = await stack.enter_async_context(fresh_stores(servers))
            env = {"SISHU_LOG_LEVEL": "warning", "SISHU_INGEST_CONCURRENCY": 0}
            await stack.enter_async_context(started_room(stores, "ingest", env=env))
            client = await stack.enter_async_context(stores.client())
            parsed = await parse_many(stores, client, files, Path(folder))
            return {**parsed, **await list_many(stores, client, chunks)}


async def parse_many(stores: Stores, client: Client, count: int, folder: Path) -> dict[str, float]:
    """Files through the whole service."""
    project = await new_project(client)
    files = await asyncio.to_thread(written, folder / "files", count)
    started = time.monotonic()
    await upload_files(client, project, files)
    upload_seconds = time.monotonic() - started
    async with AsyncExitStack() as stack:
        # A worker has a log level of its own: its log says where its metrics are.
        workers = [
            await stack.enter_async_context(
                started_room(
                    stores, "ingest", "worker", "--concurrency", "1", env={"SISHU_LOG_LEVEL": "info"}
                )
            )
            for _ in range(WORKERS)
        ]
        started = time.monotonic()
        request = document_pb.ParseDocumentsRequest(project_id=project)
        job_id = (await client.documents.ParseDocuments(request)).job.id
        watch = asyncio.create_task(peak_of(workers))
        job = await end_of(client, "ingest", job_id, seconds=3600)
        seconds = time.monotonic() - started
        watch.cancel()
        if job.state != job_pb2.JOB_STATE_SUCCEEDED:
            raise RuntimeError(f"the job ended badly: {job}")
        parsing = sum([await seconds_in_children(worker) for worker in workers])
    return {
        "files_per_s": round(count / seconds, 1),
        "outside_parsing_share": round(1 - parsing / (WORKERS * seconds), 3),
        "upload_files_per_s": round(count / upload_seconds, 1),
        "worker_peak_mb": PEAK["mb"],
    }


PEAK = {"mb": 0.0}


async def peak_of(workers: list[Room]) -> None:
    """Keep the largest resident memory of a worker with its children in `PEAK`, until cancelled."""
    while True:
        for worker in workers:
            PEAK["mb"] = max(PEAK["mb"], round(resident(worker.pid) / 1e6, 1))
        await asyncio.sleep(0.5)


def resident(pid: int) -> int:
    """Bytes of memory of a process and its children."""
    total = 0
    process = psutil.Process(pid)
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


async def seconds_in_children(worker: Room) -> float:
    """Seconds in which a child of a worker parsed, by its metrics."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        lines = (await http.get(f"http://{HOST}:{worker.metrics_port}/metrics")).text.splitlines()
    return sum(
        float(one.split()[-1]) for one in lines if one.startswith("sishu_ingest_parse_step_seconds_sum")
    )


def written(folder: Path, count: int) -> list[SourceFile]:
    """Markdown files, each with another text, at least as large as asked."""
    folder.mkdir()
    chance = random.Random(7)  # noqa: S311  # no secret
    files = []
    for number in range(count):
        path = folder / f"{number:05}.md"
        path.write_text(text_of(chance, number))
        files.append(SourceFile(path, f"handbook/{path.name}"))
    return files


def text_of(chance: random.Random, number: int) -> str:
    """A handbook of `FILE_BYTES`."""
    parts, size = [f"# Handbook {number}\n\n"], 0
    while size < FILE_BYTES:
        heading = "" if chance.random() < 0.8 else f"## {' '.join(chance.choices(WORDS, k=4)).title()}\n\n"
        sentences = [
            f"{' '.join(chance.choices(WORDS, k=chance.randint(6, 16))).capitalize()} {number}."
            for _ in range(5)
        ]
        parts.append(heading + " ".join(sentences) + "\n\n")
        size += len(parts[-1])
    return "".join(parts)


async def list_many(stores: Stores, client: Client, count: int) -> dict[str, float]:
    """Pages of a long list: all of one walk through it, and those at both ends."""
    project = await new_project(client)
    await fill(stores, project, count)
    times: list[float] = []
    token = ""
    while True:
        request = chunk_service_pb2.ListChunksRequest(project_id=project, page_size=PAGE, page_token=token)
        started = time.perf_counter()
        page = await client.chunks.ListChunks(request)
        times.append(1000 * (time.perf_counter() - started))
        token = page.next_page_token
        if not token:
            break
    edge = max(1, len(times) // 20)
    return {
        "list_page_ms_at_1m": round(statistics.median(times), 2),
        "list_first_page_ms": round(statistics.median(times[:edge]), 2),
        "list_last_page_ms": round(statistics.median(times[-edge:]), 2),
        "listed_chunks": count,
    }


async def fill(stores: Stores, project: str, count: int) -> None:
    """Rows of chunks, straight into the table."""
    digest = hashlib.sha256(b"text").hexdigest()
    async with stores.pool("ingest", 1) as pool:
        for _ in range(count // CHUNKS_A_DOCUMENT):
            document = new_id()
            await pool.execute(
                "INSERT INTO documents (id, project_id, name, media_type) VALUES ($1, $2, $1::uuid::text, 'text/plain')",
                document,
                project,
            )
            await pool.execute(
                "INSERT INTO document_versions (document_id, version, size_bytes, sha256, file_key) "
                "VALUES ($1, 1, 1, $1::uuid::text, 'none')",
                document,
            )
            await pool.execute(FILL, project, document, digest, CHUNKS_A_DOCUMENT)
        await pool.execute("ANALYZE chunks")


FILL = """
INSERT INTO chunks (id, project_id, document_id, document_version, index, text, char_start, char_end, overlap,
                    page_start, page_end, heading_path, table_header, token_count, sha256)
SELECT gen_random_uuid(), $1, $2, 1, number, repeat('some words of text ', 60), 1140 * number,
       1140 * (number + 1), 0, 1, 1, '{Handbook}', '', 240, $3
FROM generate_series(0, $4 - 1) AS number
"""


if __name__ == "__main__":
    asyncio.run(main())
