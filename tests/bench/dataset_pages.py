"""Finding examples among a million: pages of the list by any filter and order, and counts by facet.

A dataset room over real Postgres holds, one after the other, 10,000, 100,000 and 1,000,000 generated examples of
a project, beside as many of another one. At each size random filters and orders are asked for over gRPC; a
page is full, the last, or ends early, as the contract allows. Prints one JSON object:

- `page_p50_ms`, `page_p99_ms`: time of a page of 100 at the largest size, and `page_p99_ms_by_size`;
- `count_ms_by_size`: median time of a count by one facet;
- `worst_filters`: the slowest pages at the largest size, by what was asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from services.runtime.db import Pool
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.dataset.v1 import example_filter_pb2, example_pb2
from sishu.dataset.v1 import example_service_pb2 as pb
from tests.integration.stores import fresh_stores, started_room, started_servers

SIZES = (10_000, 100_000, 1_000_000)
PAGES = 400
ORDERS = example_filter_pb2.ExampleOrder.values()[1:]
FACETS = example_filter_pb2.ExampleFacet.values()[1:]
DOCUMENTS = 1000
TAGS = 100
# One in 50 is rejected; every fourth has no score; some answers are in Chinese.
FILL = """
WITH made AS (
    SELECT number, ('01930000-' || lpad(to_hex(number / 65536), 4, '0') || '-7' || lpad(to_hex(number % 4096), 3, '0')
           || '-8' || $4 || lpad(to_hex(number % 65536), 14, '0'))::uuid AS id,
           $1::uuid AS project_id, number % 50 = 7 AS is_rejected
    FROM generate_series($2::bigint, $3::bigint - 1) AS number
), stored AS (
    INSERT INTO examples (id, project_id, kind, state, rejection, score, labels, tag_ids, language, characters, document_id,
                          heading_path, question_type, prompt_version, model, key, create_time, update_time)
    SELECT id, project_id, 'sft', CASE WHEN is_rejected THEN 'rejected' ELSE 'kept' END::example_state,
           CASE WHEN is_rejected THEN '{"code": "FAILED_PRECONDITION", "reason": "QUOTE_NOT_FOUND", "message": "no"}'::jsonb END,
           CASE WHEN number % 4 > 0 THEN (number * 7919 % 11) / 2.0 END,
           CASE WHEN number % 1000 = 3 THEN ARRAY['checked'] ELSE '{}' END,
           ARRAY[md5('tag' || number * 31 % 100)::uuid], CASE WHEN number % 10 = 0 THEN 'zh' ELSE 'en' END,
           400 + number % 700, md5('document' || number * 17 % 1000)::uuid,
           ARRAY['Part ' || number % 7, 'Section ' || number % 70], CASE WHEN number % 5 = 0 THEN 'reason' ELSE 'fact' END,
           'answer.en@' || 1 + number % 2, 'model-' || number % 3, decode(md5(number::text), 'hex'),
           now() - number * interval '1 second', now() - number * interval '1 second'
    FROM made
)
INSERT INTO example_contents (example_id, content, lineage)
SELECT id, ('{"messages":[{"role":"user","content":"What is the weight of item ' || number || '?"},'
            || '{"role":"assistant","content":"' || repeat('It weighs ' || number || ' grams, said the report. ', 12)
            || '"}]}')::json, '{}'::json
FROM made
"""


async def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dataset_pages")
    parser.add_argument("--examples", type=int, default=SIZES[-1], help="largest size")
    flags = parser.parse_args()
    print(json.dumps(await measure([size for size in SIZES if size <= flags.examples])))


async def measure(sizes: list[int]) -> dict[str, Any]:
    """The figures by name."""
    by_size: dict[str, dict[str, float]] = {"page_p50_ms": {}, "page_p99_ms": {}, "count_ms": {}}
    slowest: list[tuple[float, str]] = []
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        async with AsyncExitStack() as stack:
            servers = await stack.enter_async_context(started_servers(Path(folder), fast=False))
            stores = await stack.enter_async_context(fresh_stores(servers))
            await stack.enter_async_context(
                started_room(stores, "dataset", env={"SISHU_LOG_LEVEL": "warning"})
            )
            client = await stack.enter_async_context(stores.client())
            pool = await stack.enter_async_context(stores.pool("dataset"))
            projects, stored = [new_id(), new_id()], 0
            for size in sizes:
                await fill(pool, projects, stored, size)
                stored = size
                times = await page_times(client, projects[0])
                slowest = sorted(times, reverse=True)[:5]
                found = sorted(milliseconds for milliseconds, _ in times)
                by_size["page_p50_ms"][str(size)] = round(statistics.median(found), 1)
                by_size["page_p99_ms"][str(size)] = round(found[int(len(found) * 0.99)], 1)
                by_size["count_ms"][str(size)] = round(await count_time(client, projects[0]), 1)
                sys.stderr.write(
                    f"{size}: {[(name, values[str(size)]) for name, values in by_size.items()]}\n"
                )
    last = str(sizes[-1])
    return {
        "page_p50_ms": by_size["page_p50_ms"][last],
        "page_p99_ms": by_size["page_p99_ms"][last],
        "page_p99_ms_by_size": by_size["page_p99_ms"],
        "count_ms_by_size": by_size["count_ms"],
        "worst_filters": slowest,
    }


async def fill(pool: Pool, projects: list[str], start: int, end: int) -> None:
    """Make examples of both projects, from one number to another."""
    for part in range(start, end, 50_000):
        for number, project_id in enumerate(projects):
            await pool.execute(FILL, project_id, part, min(part + 50_000, end), str(number), timeout=600)
    await pool.execute("VACUUM ANALYZE examples, example_contents", timeout=600)


async def page_times(client: Client, project_id: str) -> list[tuple[float, str]]:
    """Milliseconds of each page, with what was asked for, slower ones first."""
    times = []
    for request in requests(project_id):
        for _ in range(3):
            started = time.perf_counter()
            page = await client.examples.ListExamples(request)
            elapsed = (time.perf_counter() - started) * 1000
            times.append((round(elapsed, 1), f"{request.order} {request.filter}".replace("\n", " ")))
            request.page_token = page.next_page_token
            if not request.page_token:
                break
    return times


def requests(project_id: str) -> Iterator[pb.ListExamplesRequest]:
    """Pages by random filters, from none to three at once, in random orders."""
    chance = random.Random(5)  # noqa: S311  # repeatable, not secret
    names = list(CHOICES)
    for _ in range(PAGES):
        wanted = example_filter_pb2.ExampleFilter()
        for name in chance.sample(names, chance.randrange(4)):
            wanted.MergeFrom(example_filter_pb2.ExampleFilter(**{name: chance.choice(CHOICES[name])}))
        yield pb.ListExamplesRequest(
            project_id=project_id, filter=wanted, order=chance.choice(ORDERS), page_size=100
        )


async def count_time(client: Client, project_id: str) -> float:
    """Median milliseconds of a count by one facet."""
    times = []
    for facet in FACETS:
        request = pb.CountExamplesRequest(project_id=project_id, facets=[facet])
        started = time.perf_counter()
        await client.examples.CountExamples(request)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def uuid_like(text: str) -> str:
    """The id that the examples have where the statement makes one of a text."""
    return str(uuid.UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()))


CHOICES: dict[str, list[Any]] = {
    "states": [[example_pb2.EXAMPLE_STATE_KEPT], [example_pb2.EXAMPLE_STATE_REJECTED]],
    "kinds": [[example_pb2.EXAMPLE_KIND_SFT], [example_pb2.EXAMPLE_KIND_CONVERSATION]],
    "document_ids": [[uuid_like(f"document{number}")] for number in range(0, DOCUMENTS, 50)],
    "tag_ids": [[uuid_like(f"tag{number}")] for number in range(0, TAGS, 7)],
    "labels": [["checked"], ["unknown"]],
    "min_score": [0, 2.5, 5],
    "max_score": [0.5, 4.0],
    "rejection_reasons": [["QUOTE_NOT_FOUND"], ["DUPLICATE"]],
    "languages": [["zh"], ["en"]],
    "question_types": [["reason"], ["multi_hop"]],
    "models": [["model-1"], ["another"]],
    "heading_path": [["Part 3"], ["Part 3", "Section 3"]],
    "min_characters": [800, 5000],
    "text": ["item 4711?", "weighs", "not there at all"],
}


if __name__ == "__main__":
    asyncio.run(main())
