"""How fast the ingest room reads, splits, stores and lists, beside its peers.

`python -m tests.bench.bench_ingest` (or `make bench-ingest`) runs the parts below one after another, each in a
process of its own, and prints one JSON object with the figures of all as its last line; each part's own docstring
says what they are. `--quick` takes fewer and smaller files.
"""

from __future__ import annotations

import argparse

from tests.bench.parts import print_figures

PARTS = ("ingest_splitting", "ingest_pdf", "ingest_office", "ingest_sheets", "ingest_service")
PROMISED = (
    "split_mb_s",
    "split_vs_fastest_peer",
    "pdf_pages_s",
    "pdf_vs_markitdown",
    "pdf_vs_pypdfium2",
    "files_per_s",
    "list_page_ms_at_1m",
    "peak_mb",
)
QUICK = {"ingest_service": ("--files", "500", "--chunks", "20000")}


def main() -> None:
    """Run all parts and print their figures together."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_ingest")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller files")
    print_figures(PARTS, PROMISED, QUICK if parser.parse_args().quick else {})


if __name__ == "__main__":
    main()
