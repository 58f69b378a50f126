"""How fast office files are read: DOCX beside markitdown, in one process, sides in turn."""

from __future__ import annotations

import io
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import docx
from markitdown import StreamInfo
from markitdown.converters import DocxConverter

from services.ingest.formats import format_of
from services.ingest.readers import Source, read_document

ROUNDS = 3
SECTIONS = 40
WORDS = [
    "the",
    "warranty",
    "covers",
    "motor",
    "parts",
    "that",
    "fail",
    "within",
    "four",
    "years",
    "of",
    "purchase",
    "退货",
    "政策",
    "规定",
    "motor",
    "|",
    "a_b",
]


def document() -> bytes:
    """A handbook of about 250 pages: headings, paragraphs with bold words, lists, tables."""
    dice = random.Random(7)  # noqa: S311  # the same words in every run
    made = docx.Document()

    def words(count: int) -> str:
        return " ".join(dice.choices(WORDS, k=count))

    for section in range(SECTIONS):
        made.add_heading(f"Section {section}", 1)
        for _ in range(30):
            paragraph = made.add_paragraph(words(40) + " ")
            paragraph.add_run(words(5)).bold = True
            paragraph.add_run(" " + words(60))
        for _ in range(10):
            made.add_paragraph(words(10), style="List Number")
        table = made.add_table(rows=12, cols=5)
        for cell in table._cells:
            cell.text = words(3)
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure() -> dict[str, float]:
    """Read the handbook by turns.

    Returns:
        docx_mb_s: megabytes of DOCX, packed as they are, read in a second.
        docx_vs_markitdown: how many times faster that is than markitdown on the same file.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "handbook.docx"
        path.write_bytes(document())
        source = Source(path, path.name, format_of(path.name).media_type, Path(folder))
        info = StreamInfo(extension=".docx")

        def theirs() -> None:
            with path.open("rb") as stream:
                DocxConverter().convert(stream, info)  # type: ignore[no-untyped-call]

        size = path.stat().st_size / 1e6
        read_document(source)
        turns = [(seconds(lambda: read_document(source)), seconds(theirs)) for _ in range(ROUNDS)]
    return {
        "docx_mb_s": round(size / median(ours for ours, _ in turns), 2),
        "docx_vs_markitdown": round(median(their / ours for ours, their in turns), 2),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
