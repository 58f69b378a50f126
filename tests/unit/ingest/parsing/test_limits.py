from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from services.ingest.parsing.children import extended
from services.ingest.parsing.exchange import ALIVE, FILE, READ, REWRITES, SPLIT
from services.ingest.parsing.options import ParseOptions
from tests.unit.ingest.parsing.child_processes import children, document_called


def leave_old_marker(folder: Path) -> None:
    """As the last page of a step left it, before a model took ten minutes."""
    (folder / ALIVE).touch()
    os.utime(folder / ALIVE, (time.time() - 600,) * 2)


async def test_a_step_has_all_its_time_however_long_the_step_before_is_over(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"A line of a long text that is to be cut.\n\n" * 40_000)
    document, options = document_called("long.md"), ParseOptions()
    async with children() as one:
        await one.run(READ, document, tmp_path, options)
        (tmp_path / REWRITES).write_text("[]")
        started = time.monotonic()
        await one.run(SPLIT, document, tmp_path, options)
        cutting = time.monotonic() - started
    leave_old_marker(tmp_path)
    # The process starts anew, which takes seconds too.
    async with (
        children(parse_seconds=10 + 4 * cutting) as one,
        one.parsed(document, tmp_path, options, SPLIT) as parsed,
    ):
        assert parsed.pieces[-1].char_end == len(parsed.text)


async def test_an_old_marker_ends_no_step(tmp_path: Path) -> None:
    leave_old_marker(tmp_path)
    async with asyncio.timeout(4) as limit, extended(limit, tmp_path, 4):
        first = limit.when()
        await asyncio.sleep(1.2)
        assert limit.when() == first
        assert not limit.expired()


async def test_only_a_new_page_moves_the_limit_and_only_later(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2) as limit, extended(limit, tmp_path, 2):
            first = limit.when()
            leave_old_marker(tmp_path)
            await asyncio.sleep(1)
            moved = limit.when()
            assert first is not None
            assert moved is not None
            assert moved > first
            await asyncio.sleep(60)
