"""How fast the ingest room reads, splits, stores and lists, beside its peers.

`python -m tests.bench.bench_ingest` (or `make bench-ingest`) runs the parts below one after another, each in a
process of its own, and prints one JSON object with the figures of all as its last line; each part's own docstring
says what they are. `--quick` takes fewer and smaller files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from tests.integration.stores import ROOT

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
PART_SECONDS = 3600


def main() -> None:
    """Run all parts and print their figures together."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_ingest")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller files")
    quick = parser.parse_args().quick
    figures: dict[str, float] = {}
    for part in PARTS:
        sys.stderr.write(f"{part} ...\n")
        figures |= figures_of(part, QUICK.get(part, ()) if quick else ())
    figures["peak_mb"] = max(value for name, value in figures.items() if name.endswith("peak_mb"))
    print(json.dumps({name: figures[name] for name in PROMISED} | figures))


def figures_of(part: str, arguments: tuple[str, ...]) -> dict[str, float]:
    """The figures of a part: the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{part}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])},
        stdout=subprocess.PIPE,
        timeout=PART_SECONDS,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
