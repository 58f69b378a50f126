"""Examples by the million: imported, found, deduplicated, made into versions, exported.

`python -m tests.bench.bench_dataset` (or `make bench-dataset`) runs the parts below one after another, each in a
process of its own, and prints one JSON object with the figures of all as its last line; each part's own
docstring says what they are. `growth` holds those that were measured by the number of examples. `--quick` takes
100,000 at most.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tests.bench.parts import figures_of

PARTS = (
    "dataset_imports",
    "dataset_pages",
    "dataset_dedupe",
    "dataset_leaks",
    "dataset_versions",
    "dataset_exporting",
)
PROMISED = (
    "import_rows_s",
    "page_p99_ms",
    "dedupe_s",
    "dedupe_peak_mb",
    "version_rows_s",
    "export_rows_s",
    "export_peak_mb",
)
GROWING = {
    "imports": "import",
    "page_p99_ms_by_size": "page_p99_ms",
    "count_ms_by_size": "count_ms",
    "growth": "dedupe",
    "leaks_by_size": "leak_check_s",
    "versions": "version",
    "export_growth": "export_cpu",
}
"""Figures by the number of examples, and their names in `growth`."""
QUICK = {
    "dataset_imports": ("--sizes", "10000", "100000"),
    "dataset_pages": ("--examples", "100000"),
    "dataset_dedupe": ("--examples", "10000", "100000"),
    "dataset_leaks": ("--examples", "10000"),
    "dataset_versions": ("--sizes", "10000", "100000"),
    "dataset_exporting": ("--rows", "10000,100000"),
}


def main() -> None:
    """Run all parts and print their figures together, those that are promised first."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_dataset")
    parser.add_argument("--quick", action="store_true", help="100,000 examples at most")
    flags = QUICK if parser.parse_args().quick else {}
    figures: dict[str, Any] = {}
    growth: dict[str, Any] = {}
    for part in PARTS:
        sys.stderr.write(f"{part} ...\n")
        found = figures_of(part, flags.get(part, ()))
        growth |= {GROWING[name]: found.pop(name) for name in list(found) if name in GROWING}
        figures |= found
    print(json.dumps({**{name: figures[name] for name in PROMISED}, "growth": growth, **figures}))


if __name__ == "__main__":
    main()
