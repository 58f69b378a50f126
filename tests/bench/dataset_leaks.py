"""The search for examples that hold questions of a benchmark of 5,000, by the number of examples.

`measure` returns:

- `leak_check_rows_s`: examples looked at a second, of the largest number;
- `leak_check_peak_mb`: largest resident memory of the process that searches;
- `leaks_by_size`: seconds of the search by the number of examples;
- `leaks_caught`: share of planted leaks that are found, by how the question was changed, in English and Chinese;
- `leaks_false_share`: share of harmless examples that are said to leak.

A twentieth of the examples leaks: verbatim, lightly edited, with numbers written otherwise, with choices in
another order.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from services.dataset.benchmarks.files import guard_of
from services.dataset.leak_checks.finding import Guarded, LeakSearch, Looked
from services.dataset.leak_checks.leak_checks import LeakSource
from tests.unit.dataset.benchmarks.planted_leaks import PlantedLeaks, planted_leaks

ITEMS, MADE = 5000, 10_000
SIZES = (10_000, 100_000)
LEAKS = 20
"""One in so many examples leaks."""


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dataset_leaks")
    parser.add_argument("--examples", type=int, nargs="+", default=SIZES)
    print(json.dumps(measure(parser.parse_args().examples)))


def measure(sizes: list[int]) -> dict[str, Any]:
    """The figures above."""
    made = {language: planted_leaks(language, ITEMS, MADE, MADE // LEAKS) for language in ("en", "zh")}
    seconds = {str(size): searched(made, size) for size in sizes}
    last = sizes[-1]
    caught, false = accuracy(made)
    return {
        "leak_check_rows_s": round(last / max(seconds[str(last)], 0.01)),
        "leak_check_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "leaks_by_size": seconds,
        "leaks_caught": caught,
        "leaks_false_share": false,
    }


def searched(made: dict[str, PlantedLeaks], size: int) -> float:
    """Seconds that it takes to look at so many examples, half of them English, half Chinese."""
    started = time.perf_counter()
    for one in made.values():
        search(one, islice(again(one.examples), size // len(made)))
    return round(time.perf_counter() - started, 2)


def again(examples: list[Looked]) -> Iterator[Looked]:
    """Examples again and again."""
    while True:
        yield from examples


def search(made: PlantedLeaks, examples: Iterator[Looked]) -> list[dict[str, Any]]:
    """The leaks that are found."""
    guarded = Guarded(LeakSource("b", "b", "", len(made.items)), made.items, guard_of(made.items))
    with tempfile.TemporaryDirectory() as folder:
        path = LeakSearch([guarded], Path(folder)).run(examples, lambda _: None)
        found: list[dict[str, Any]] = pq.read_table(path, columns=["example_id", "row"]).to_pylist()
    return found


def accuracy(made: dict[str, PlantedLeaks]) -> tuple[dict[str, float], float]:
    """Shares of planted leaks that are found, by language and change, and of harmless examples that are."""
    caught: dict[str, float] = {}
    false = harmless = 0
    for language, one in made.items():
        rows = {int(leak["example_id"]) for leak in search(one, iter(one.examples))}
        planted = Counter(kind for _, kind in one.planted.values())
        hits = Counter(kind for row, (_, kind) in one.planted.items() if row in rows)
        caught |= {
            f"{language}_{kind}": round(hits[kind] / count, 4) for kind, count in sorted(planted.items())
        }
        false += len(rows - one.planted.keys())
        harmless += len(one.examples) - len(one.planted)
    return caught, round(false / harmless, 5)


if __name__ == "__main__":
    main()
