"""Pages a second of the PDF reader, beside markitdown and bare pypdfium2, and what it takes of memory.

`python -m tests.bench.ingest_pdf` prints one JSON object. The pages are those of a handbook: 2,500 to 3,500
letters each, with headings, and a table on every tenth. All sides read the same file, in turn; the best times
of each count. Recognition, which takes two threads, is measured by the clock on the wall.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pypdfium2
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Frame, PageBreak, PageTemplate, Paragraph, Spacer, Table

from services.ingest.readers import Source, read_document
from tests.support.pdf_files import ABSTRACT, GRID, HEIGHT, PROSE, WIDTH, canvas_pdf, flowed, scan_page

PAGES = 80
SCANS = 3
ROUNDS = 15
MARKITDOWN_ROUNDS = 2
"""It takes a hundred times as long, so that its times differ little."""
PDF = "application/pdf"
PEAK = """
import sys, tempfile
from pathlib import Path
from services.ingest.readers import Source, read_document
with tempfile.TemporaryDirectory() as folder:
    read_document(Source(Path(sys.argv[1]), "file", "application/pdf", Path(folder)))
# Not `ru_maxrss`, which a program inherits from the one that started it.
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024 / 1e6)
"""
BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=12.5, spaceAfter=6)
HEADING = ParagraphStyle("heading", fontName="Helvetica-Bold", fontSize=15, leading=19, spaceAfter=8)
SENTENCES = [part.strip() + "." for text in (ABSTRACT, *PROSE) for part in text.split(".") if part.strip()]


def handbook(pages: int) -> bytes:
    """A PDF of text."""
    draw = random.Random(4)  # noqa: S311  # no secret
    story: list[Flowable] = []
    for page in range(pages):
        story.append(Paragraph(f"{page + 1} {draw.choice(SENTENCES)[:40]}", HEADING))
        for at in range(4 if page % 10 == 0 else 5):
            if at == 2:
                story.append(Paragraph(f"{page + 1}.1 {draw.choice(SENTENCES)[:40]}", HEADING))
            story.append(Paragraph(" ".join(draw.choices(SENTENCES, k=6)), BODY))
        if page % 10 == 0:
            rows = [[f"{draw.random() * 1000:.2f}" for _ in range(4)] for _ in range(6)]
            story += [Spacer(1, 6), Table([["Town", "Light", "Dark", "Mean"], *rows], style=GRID)]
        story.append(PageBreak())
    return flowed(story, [PageTemplate("page", [Frame(72, 50, WIDTH - 144, HEIGHT - 100, 0, 0, 0, 0)])])


def scans(pages: int) -> bytes:
    """A PDF of pictures of pages."""
    text = handbook(pages)

    def draw(canvas: Canvas) -> None:
        for page in range(pages):
            scan_page(canvas, text, page)

    return canvas_pdf(draw)


def read(path: Path) -> int:
    """Letters by our reader."""
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        return len(read_document(Source(path, path.name, PDF, Path(folder))).text)


def read_bare(path: Path) -> int:
    """Letters by pypdfium2 alone, without order, headings and tables."""
    pdf = pypdfium2.PdfDocument(path)
    letters = sum(len(page.get_textpage().get_text_bounded()) for page in pdf)
    pdf.close()
    return letters


def read_markitdown(path: Path) -> int:
    """Letters by markitdown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from markitdown import MarkItDown

        return len(MarkItDown(enable_plugins=False).convert(path).markdown)


def seconds(
    reader: Callable[[Path], int], path: Path, clock: Callable[[], float] = time.process_time
) -> float:
    """How long a reader takes: of the processor, as other work on the machine is not its fault."""
    started = clock()
    assert reader(path) > 0
    return clock() - started


def peak_mb(path: Path) -> float:
    """Most resident memory of a fresh process that reads a file, in MB."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, check=True, text=True)
    return float(done.stdout)


def measure() -> dict[str, float]:
    """Read the files by all sides, in turn; the best times count."""
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        text, scan = Path(folder) / "text.pdf", Path(folder) / "scan.pdf"
        text.write_bytes(handbook(PAGES))
        scan.write_bytes(scans(SCANS))
        times: dict[Callable[[Path], int], list[float]] = {read: [], read_bare: [], read_markitdown: []}
        for turn in range(ROUNDS):
            for reader, taken in times.items():
                if reader is not read_markitdown or turn < MARKITDOWN_ROUNDS:
                    taken.append(seconds(reader, text))
        ours, bare, markitdown = (min(taken) for taken in times.values())
        return {
            "pdf_pages_s": round(PAGES / ours, 1),
            "pdf_vs_markitdown": round(markitdown / ours, 1),
            "pdf_vs_pypdfium2": round(bare / ours, 3),
            "ocr_pages_min": round(60 * SCANS / seconds(read, scan, time.perf_counter), 1),
            "pdf_peak_mb": round(peak_mb(text), 1),
            "ocr_peak_mb": round(peak_mb(scan), 1),
        }


if __name__ == "__main__":
    print(json.dumps(measure()))
