"""What it costs to look for copies when questions are stored.

Fills a project with `--questions` questions, 16 a transaction, of sentences that are alike but for two words and
a number, which is the worst case. Prints one JSON object:

- `store_ms_per_question`: of the last tenth, all statements and the commit;
- `store_ms_per_question_empty`: of the first 160;
- `copies_ms_per_question`: of the last tenth, the part of it that looks for copies and notes by what they are found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from services.generation.gates.copy_store import without_copies
from services.generation.generations.store import Store
from services.generation.questions.questions import NewQuestion
from services.generation.questions.quotes import Quote
from services.generation.questions.store import NewQuestions, QuestionStore
from services.runtime.db import transaction
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from tests.integration.documents import new_project
from tests.integration.generations import new_provider
from tests.integration.stores import started_rooms, started_servers
from tests.integration.test_generation_questions import call_of, empty_generation
from tests.support.llm_answers import WORDS

TOGETHER = 16
PARTS = ("weight", "height", "width", "price", "age", "colour", "speed", "volume")


async def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quality_copies")
    parser.add_argument("--questions", type=int, default=20_000)
    count = parser.parse_args().questions
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        async with (
            started_servers(Path(folder), fast=False) as servers,
            started_rooms(servers, "ingest", "generation", env={"SISHU_LOG_LEVEL": "warning"}) as rooms,
            rooms.stores.pool("generation") as pool,
        ):
            project = await new_project(rooms.client)
            provider = await new_provider(rooms.client, project, "http://127.0.0.1:9/v1")
            store = Store(pool, Jobs(pool, "generation"))
            one = await empty_generation(store, project, provider)
            times, copies = [], []
            for at in range(0, count, TOGETHER):
                new = [question(number) for number in range(at, at + TOGETHER)]
                started = time.perf_counter()
                async with transaction(pool) as connection:
                    written = NewQuestions(one, call_of(provider), new)
                    (kept,) = await QuestionStore(pool).insert(connection, written)
                times.append(time.perf_counter() - started)
                assert len(kept) == TOGETHER
                if at >= count * 0.9 and at % 160 == 0:
                    copies.append(await seconds_of_copies(pool, one, at))
    last = times[-len(times) // 10 :]
    print(
        json.dumps(
            {
                "store_ms_per_question": milliseconds(sum(last) / len(last)),
                "store_ms_per_question_empty": milliseconds(sum(times[:10]) / 10),
                "copies_ms_per_question": milliseconds(sum(copies) / len(copies)),
            }
        )
    )


async def seconds_of_copies(pool, one, at: int) -> float:  # type: ignore[no-untyped-def]
    """How long it takes to look for copies of some questions that are then not stored."""
    new = [question(10_000_000 + at + number) for number in range(TOGETHER)]
    async with pool.acquire() as connection:
        started = time.perf_counter()
        await without_copies(connection, one, new)
        return time.perf_counter() - started


def question(number: int) -> NewQuestion:
    """A question that is like all others but for two words and a number."""
    word, part = WORDS[number % len(WORDS)], PARTS[number // len(WORDS) % len(PARTS)]
    text = f"What is the {part} of part number {number} of the {word} pump that is built by the factory of Ostrel?"
    chunk, document = new_id(), new_id()
    return NewQuestion(new_id(), text, [chunk], [document], Quote(text, chunk, document, 1, 0, 9), 0, None)


def milliseconds(seconds: float) -> float:
    """Of one of the questions that are stored together."""
    return round(1000 * seconds / TOGETHER, 3)


if __name__ == "__main__":
    asyncio.run(main())
