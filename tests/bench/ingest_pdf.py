"""Pages a second of the PDF reader, beside markitdown and bare pypdfium2, and what it takes of memory.

`python -m tests.bench.ingest_pdf` prints one JSON object. The pages are those of a handbook: 2,500 to 3,500
letters each, with headings, and a table on every tenth. Beside them it measures, each as a file of its own,
what takes the reader longer: pages in two columns of small print, pages full of tables, with lines and
without, and plots of lines and dots below text. All sides read the same file, in turn; the best times of each
count. Recognition, which takes two threads, is measured by the clock on the wall.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pypdfium2
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Frame, PageBreak, PageTemplate, Paragraph, Spacer, Table

from services.ingest.readers import Source, read_document
from tests.support.pdf_files import ABSTRACT, GRID, HEIGHT, PROSE, WIDTH, canvas_pdf, flowed, lines, scan_page

PAGES = 80
HARD_PAGES = 12
SCANS = 3
ROUNDS = 15
MARKITDOWN_ROUNDS = 2
"""It takes a hundred times as long, so that its times differ little."""
PDF = "application/pdf"
Reader = Callable[[Path], int]
PEAK = """
import sys, tempfile
from pathlib import Path
from services.ingest.readers import Source, read_document
with tempfile.TemporaryDirectory() as folder:
    read_document(Source(Path(sys.argv[1]), "file", "application/pdf", Path(folder)))
# Not `ru_maxrss`, which a program inherits from the one that started it.
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024 / 1e6)
"""
PRINT = ParagraphStyle("print", fontName="Times-Roman", fontSize=9, leading=10.5, spaceAfter=4)
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


def columns(pages: int) -> bytes:
    """A PDF of small print in two columns."""
    draw = random.Random(5)  # noqa: S311  # no secret
    width = (WIDTH - 110) / 2
    frames = [Frame(left, 50, width, HEIGHT - 100, 0, 0, 0, 0) for left in (50, 60 + width)]
    story: list[Flowable] = []
    for _ in range(pages):
        for _ in range(10):
            story += [Paragraph(" ".join(draw.choices(SENTENCES, k=7)), PRINT)]
        story.append(PageBreak())
    return flowed(story, [PageTemplate("page", frames)])


def tables(pages: int) -> bytes:
    """A PDF of tables with lines and without."""
    draw = random.Random(6)  # noqa: S311  # no secret
    story: list[Flowable] = []
    for _ in range(pages):
        for style in (GRID, None, GRID):
            rows = [[f"{draw.random() * 1000:.2f}" for _ in range(6)] for _ in range(10)]
            table = Table([["Town", "Light", "Dark", "Mean", "Least", "Most"], *rows], style=style)
            story += [Paragraph(draw.choice(SENTENCES), BODY), table, Spacer(1, 8)]
        story.append(PageBreak())
    return flowed(story, [PageTemplate("page", [Frame(72, 50, WIDTH - 144, HEIGHT - 100, 0, 0, 0, 0)])])


def plots(pages: int) -> bytes:
    """A PDF of text with a plot below it: a grid, a curve of 140 points and 150 dots."""
    draw = random.Random(7)  # noqa: S311  # no secret

    def page(canvas: Canvas) -> None:
        lines(canvas, [draw.choice(SENTENCES)[:90] for _ in range(30)], 72, HEIGHT - 72, 13)
        for at in range(12):
            canvas.line(72, 80 + 12 * at, 212, 80 + 12 * at)
            canvas.line(72 + 12 * at, 80, 72 + 12 * at, 220)
        path = canvas.beginPath()
        path.moveTo(72, 150)
        for at in range(140):
            path.lineTo(72 + at, 150 + draw.gauss(0, 20))
        canvas.drawPath(path)
        for _ in range(150):
            canvas.circle(72 + draw.random() * 140, 80 + draw.random() * 140, 2, fill=1)
        canvas.showPage()

    def draw_all(canvas: Canvas) -> None:
        for _ in range(pages):
            page(canvas)

    return canvas_pdf(draw_all)


def scans(pages: int) -> bytes:
    """A PDF of pictures of pages."""
    text = handbook(pages)

    def draw(canvas: Canvas) -> None:
        for page in range(pages):
            scan_page(canvas, text, page)

    return canvas_pdf(draw)


def read(path: Path) -> int:
    """Letters by our reader."""
    return len(read_document(Source(path, path.name, PDF, path.parent)).text)


def read_bare(path: Path) -> int:
    """Letters by pypdfium2 alone, without order, headings and tables."""
    pdf = pypdfium2.PdfDocument(path)
    letters = sum(len(page.get_textpage().get_text_range()) for page in pdf)
    pdf.close()
    return letters


def read_markitdown(path: Path) -> int:
    """Letters by markitdown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from markitdown import MarkItDown

        return len(MarkItDown(enable_plugins=False).convert(path).markdown)


def seconds(reader: Reader, path: Path, clock: Callable[[], float] = time.process_time) -> float:
    """How long a reader takes: of the processor, as other work on the machine is not its fault."""
    started = clock()
    assert reader(path) > 0
    return clock() - started


def best_times(path: Path, rounds: int, readers: Sequence[Reader]) -> list[float]:
    """The best time of each reader, in turn."""
    taken: dict[Reader, list[float]] = {reader: [] for reader in readers}
    for turn in range(rounds):
        for reader in readers:
            if reader is not read_markitdown or turn < MARKITDOWN_ROUNDS:
                taken[reader].append(seconds(reader, path))
    return [min(times) for times in taken.values()]


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
        ours, bare, markitdown = best_times(text, ROUNDS, (read, read_bare, read_markitdown))
        ratios = {}
        for make in (columns, tables, plots):
            hard = Path(folder) / f"{make.__name__}.pdf"
            hard.write_bytes(make(HARD_PAGES))
            slow, fast = best_times(hard, ROUNDS, (read, read_bare))
            ratios[f"pdf_{make.__name__}_vs_pypdfium2"] = round(fast / slow, 3)
        return {
            "pdf_pages_s": round(PAGES / ours, 1),
            "pdf_vs_markitdown": round(markitdown / ours, 1),
            "pdf_vs_pypdfium2": round(bare / ours, 3),
            **ratios,
            "ocr_pages_min": round(60 * SCANS / seconds(read, scan, time.perf_counter), 1),
            "pdf_peak_mb": round(peak_mb(text), 1),
            "ocr_peak_mb": round(peak_mb(scan), 1),
        }


if __name__ == "__main__":
    print(json.dumps(measure()))
