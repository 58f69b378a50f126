"""How fast workbooks are read, beside markitdown on the same file."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import openpyxl
from markitdown import StreamInfo
from markitdown.converters import XlsxConverter

from services.ingest.formats import format_of
from services.ingest.readers import Source, read_document

ROUNDS = 3
ROWS = 12_000
WORDS = ["motor", "belt", "轴承", "gear", "pump", "valve", "电机", "sensor", "cable", "齿轮", "relay", "fan"]


def measure() -> dict[str, float]:
    """Megabytes of file in a second, and how many times as fast as markitdown; the sides take turns."""
    folder = Path(tempfile.mkdtemp(prefix="bench-sheets-"))
    try:
        path = folder / "book.xlsx"
        path.write_bytes(workbook())
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(seconds_of_ours(path, folder))
            theirs.append(seconds_of_theirs(path))
        size = path.stat().st_size / 1e6
    finally:
        shutil.rmtree(folder)
    return {
        "xlsx_mb_s": round(size / statistics.median(ours), 2),
        "xlsx_vs_markitdown": round(statistics.median(theirs) / statistics.median(ours), 2),
    }


def workbook() -> bytes:
    """Three sheets of orders: codes, names, dates, numbers, shares and remarks of two lines."""
    draw = random.Random(7)  # noqa: S311  # the same file in each run
    book = openpyxl.Workbook(write_only=True)
    for number in range(3):
        page = book.create_sheet(f"Orders {number + 1}")
        page.append(["Code", "Part", "Ordered", "Price", "Share", "Count", "Remark"])
        for row in range(ROWS // 3):
            page.append(
                [
                    f"{number}-{row:05}",
                    " ".join(draw.choices(WORDS, k=3)),
                    dt.date(2020, 1, 1) + dt.timedelta(days=draw.randrange(1500)),
                    draw.randrange(100_000) / 100,
                    draw.random(),
                    draw.randrange(500),
                    f"{draw.choice(WORDS)}\n{draw.choice(WORDS)}" if row % 10 == 0 else None,
                ]
            )
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def seconds_of_ours(path: Path, folder: Path) -> float:
    """Seconds that the reader takes."""
    started = time.perf_counter()
    reading = read_document(Source(path, path.name, format_of(path.name).media_type, folder))
    taken = time.perf_counter() - started
    if len(reading.row_starts) != ROWS:
        raise AssertionError("rows are missing")
    return taken


def seconds_of_theirs(path: Path) -> float:
    """Seconds that markitdown's converter takes."""
    started = time.perf_counter()
    with path.open("rb") as stream:
        converter = XlsxConverter()  # type: ignore[no-untyped-call]  # ships no types
        markdown = converter.convert(stream, StreamInfo(extension=".xlsx")).markdown
    taken = time.perf_counter() - started
    if markdown.count("\n") < ROWS:
        raise AssertionError("rows are missing")
    return taken


if __name__ == "__main__":
    print(json.dumps(measure()))
