from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import psutil
import pytest
from reportlab.pdfgen.canvas import Canvas

from services.ingest.parsing.children import Children
from services.runtime.errors import InvalidArgument, SishuError
from tests.support import fault_files
from tests.support.parse_processes import a_fork, warm_ones
from tests.support.scans import scanned_pdf
from tests.unit.ingest.parsing.child_processes import children, parse

SLOW = scanned_pdf(*(f"Page {number} of a scan.\n" * 20 for number in range(60)))
"""A minute of work."""


def alive(process: psutil.Process) -> bool:
    """Whether a process has not ended; an orphan stays a zombie where process 1 is no init."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


async def error_of(one: Children, folder: Path, name: str, data: bytes) -> SishuError:
    with pytest.raises(SishuError, match=name) as raised:
        await parse(one, folder, name, data)
    return raised.value


def long_pdf(folder: Path, subject: str) -> bytes:
    path = folder / "drawn.pdf"
    canvas = Canvas(str(path))
    for page in range(60):
        for line in range(40):
            canvas.drawString(50, 800 - 18 * line, f"Page {page}, line {line}: the {subject} is old.")
        canvas.showPage()
    canvas.save()
    return path.read_bytes()


@pytest.mark.full
async def test_two_pdfs_at_once_are_read_again_and_again(tmp_path: Path) -> None:
    names = ["ash.pdf", "birch.pdf"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(long_pdf(tmp_path, name))
    async with children() as one:
        for _ in range(20):
            for name, parsed in zip(
                names, await asyncio.gather(*(parse(one, tmp_path, name) for name in names)), strict=True
            ):
                assert len(parsed.texts[0].page_starts) == 60
                assert parsed.text.count(name) == 60 * 40
                assert parsed.pieces[-1].char_end == len(parsed.text)
        assert len(warm_ones()) == 2


async def test_a_text_comes_out_as_it_is(tmp_path: Path) -> None:
    text = "# 退货\n\n\u2028 a\x0cb 🙂\n"
    async with children() as one:
        parsed = await parse(one, tmp_path, "a.md", text.encode())
    assert (parsed.text, parsed.texts[0].page_starts) == (text, [])
    assert [(piece.char_start, piece.char_end, piece.heading_path) for piece in parsed.pieces] == [
        (0, len(text), ["退货"])
    ]


async def test_a_crash_ends_one_document_only(tmp_path: Path) -> None:
    async with children() as one:
        crashing = asyncio.create_task(error_of(one, tmp_path, "crash.pdf", SLOW))
        (await a_fork()).send_signal(signal.SIGSEGV)
        error = await crashing
        assert (error.code, error.reason) == ("INVALID_ARGUMENT", "PARSE_CRASHED")
        assert "signal 11" in error.message
        assert (await parse(one, tmp_path, "b.md", b"text")).text == "text"


async def test_a_process_that_dies_ends_one_document_only(tmp_path: Path) -> None:
    async with children() as one:
        crashing = asyncio.create_task(error_of(one, tmp_path, "crash.pdf", SLOW))
        fork = await a_fork()
        warm_ones()[0].kill()
        assert (await crashing).reason == "PARSE_CRASHED"
        async with asyncio.timeout(5):
            while alive(fork):
                await asyncio.sleep(0.01)
        assert (await parse(one, tmp_path, "b.md", b"text")).text == "text"


async def test_a_process_that_ends_its_parse_while_another_starts_is_kept(tmp_path: Path) -> None:
    # What needs no more than its share, so that the other one need not wait.
    pages = fault_files.long_pdf(2000)
    async with children() as one:
        crashing = asyncio.create_task(error_of(one, tmp_path, "crash.pdf", pages))
        fork = await a_fork()
        other = asyncio.create_task(parse(one, tmp_path, "b.md", b"text"))
        async with asyncio.timeout(60):
            while len(warm_ones()) < 2:
                await asyncio.sleep(0)
        fork.kill()
        assert (await other).text == "text"
        assert (await crashing).reason == "PARSE_CRASHED"
        assert len(warm_ones()) == 2
        await asyncio.gather(*(parse(one, tmp_path, name, b"text") for name in ("c.md", "d.md")))
        assert len(warm_ones()) == 2


async def test_an_idle_process_that_died_is_replaced(tmp_path: Path) -> None:
    async with children() as one:
        await parse(one, tmp_path, "a.md", b"text")
        [idle] = warm_ones()
        idle.kill()
        async with asyncio.timeout(20):
            while warm_ones():
                await asyncio.sleep(0.01)
        # Its end reaches the event loop a moment after it is visible to others.
        await asyncio.sleep(0.1)
        assert (await parse(one, tmp_path, "b.md", b"text")).text == "text"


async def test_a_parse_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    async with children(parse_seconds=1) as one:
        error = await error_of(one, tmp_path, "long.pdf", SLOW)
        assert (error.code, error.reason) == ("FAILED_PRECONDITION", "PARSE_TIMED_OUT")
        assert warm_ones() == []


# A minute of OCR, and its times are shares of one another: not beside other work.
@pytest.mark.full
async def test_a_parse_that_goes_on_from_page_to_page_may_take_longer(tmp_path: Path) -> None:
    scan = scanned_pdf(*(f"Page {number} of a scan.\n" * 12 for number in range(16)))
    async with children() as one:
        await parse(one, tmp_path, "warm.pdf", scanned_pdf("Warm"))
        started = time.monotonic()
        await parse(one, tmp_path, "whole.pdf", scan)
        whole = time.monotonic() - started
    # Long enough for any page, too short for all.
    async with children(parse_seconds=whole * 0.7) as one:
        parsed = await parse(one, tmp_path, "paged.pdf", scan)
    assert len(parsed.texts[0].page_starts) == 16


async def test_a_cancelled_parse_is_ended(tmp_path: Path) -> None:
    async with children() as one:
        parsing = asyncio.create_task(parse(one, tmp_path, "long.pdf", SLOW))
        await a_fork()
        parsing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await parsing
        assert warm_ones() == []


async def test_a_document_that_needs_too_much_memory_says_so(tmp_path: Path) -> None:
    async with children(parse_memory_mib=140) as one:
        error = await error_of(one, tmp_path, "large.txt", "文字文字 ".encode() * 3_900_000)
        assert isinstance(error, InvalidArgument)
        assert (error.reason, error.metadata["memory_mib"]) == ("PARSE_OUT_OF_MEMORY", "140")
        assert (await parse(one, tmp_path, "b.md", b"text")).text == "text"


async def test_a_text_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async with children(most_chars=100) as one:
        assert (await parse(one, tmp_path, "a.md", "字".encode() * 100)).text == "字" * 100
        error = await error_of(one, tmp_path, "b.md", b"x" * 101)
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "TEXT_TOO_LARGE")
    assert error.metadata["chars"] == "101"


async def test_an_error_of_a_reader_keeps_its_parts(tmp_path: Path) -> None:
    async with children() as one:
        error = await error_of(one, tmp_path, "a.pdf", b"%PDF-1.7\n")
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "PDF_UNREADABLE")
    assert error.metadata == {"name": "a.pdf"}
