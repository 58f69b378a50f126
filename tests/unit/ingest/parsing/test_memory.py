from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from services.ingest.parsing.memory import LARGE_ANSWER_BYTES, Memory
from tests.support.parse_processes import warm_ones
from tests.unit.ingest.parsing.child_processes import children, parse

MIB = 1 << 20
GIB = 1 << 30


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_two_shares_fit_and_a_third_waits() -> None:
    memory, inside = Memory(640 * MIB), 0

    async def one(end: asyncio.Event) -> None:
        nonlocal inside
        async with memory.share():
            inside += 1
            await end.wait()
        inside -= 1

    ends = [asyncio.Event() for _ in range(3)]
    tasks = [asyncio.create_task(one(end)) for end in ends]
    await settled()
    assert inside == 2
    ends[0].set()
    await settled()
    assert inside == 2
    for end in ends:
        end.set()
    await asyncio.gather(*tasks)


async def test_who_wants_everything_is_alone_and_is_not_passed_by() -> None:
    memory, order = Memory(640 * MIB), list[str]()
    ended = asyncio.Event()

    async def small(name: str) -> None:
        async with memory.share():
            order.append(name)
            await ended.wait()

    async def large() -> None:
        async with memory.everything():
            order.append("large")

    first = asyncio.create_task(small("first"))
    await settled()
    rest = [asyncio.create_task(large()), asyncio.create_task(small("last"))]
    await settled()
    assert order == ["first"]
    ended.set()
    await asyncio.gather(first, *rest)
    assert order == ["first", "large", "last"]


async def test_only_a_large_answer_takes_memory_and_gives_it_back() -> None:
    memory = Memory(640 * MIB)
    async with memory.for_answer(LARGE_ANSWER_BYTES), memory.everything():
        pass
    async with memory.for_answer(LARGE_ANSWER_BYTES + 1):
        waiting = asyncio.create_task(memory.share().__aenter__())
        await settled()
        assert not waiting.done()
    await waiting


async def test_a_wait_that_is_cancelled_takes_nothing() -> None:
    memory = Memory(640 * MIB)
    async with memory.share():
        waiting = asyncio.create_task(memory.everything().__aenter__())
        await settled()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    alone = asyncio.create_task(memory.everything().__aenter__())
    await settled()
    assert alone.done()


def html_of(tags: int) -> bytes:
    """A page of so many tags."""
    return b"<html><body>" + b"<p>A line <b>x</b></p>" * (tags // 4) + b"</body></html>"


@asynccontextmanager
async def most_of_children() -> AsyncIterator[list[int]]:
    """Bytes at most that the processes which parse for this one hold at once, with all that they start."""
    most = [0]

    async def watch() -> None:
        while True:
            held = 0
            # This process may have other children, such as the stores of other tests.
            for warm in warm_ones():
                with contextlib.suppress(psutil.NoSuchProcess):
                    held += sum(one.memory_info().rss for one in [warm, *warm.children(recursive=True)])
            most[0] = max(most[0], held)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield most
    finally:
        watching.cancel()


@pytest.mark.full
async def test_two_large_pages_at_once_stay_within_the_memory_of_one_worker(tmp_path: Path) -> None:
    page = html_of(960_000)
    async with children() as one, most_of_children() as most:
        found = await asyncio.gather(*(parse(one, tmp_path, name, page) for name in ("a.html", "b.html")))
    assert [len(parsed.pieces) > 1000 for parsed in found] == [True, True]
    # The worker itself has the rest.
    assert most[0] < GIB - 250 * MIB


@pytest.mark.full
async def test_what_fails_in_much_of_its_share_is_done_again_alone(tmp_path: Path) -> None:
    # Beyond the share that a parse gets at first.
    text = "Some words here and 😀 there.\n\n" * 640_000
    async with children() as one:
        parsed = await parse(one, tmp_path, "emoji.txt", text.encode())
    assert parsed.text == text
