"""How good the questions and answers are that are kept, and what the gates catch.

`python -m tests.bench.bench_quality` (or `make bench-quality`) runs the parts below one after another, each in a
process of its own, and prints one JSON object with the figures of all as its last line; each part's own
docstring says what they are. `--quick` takes less of everything.
"""

from __future__ import annotations

import argparse

from tests.bench.parts import print_figures

PARTS = ("quality_examples", "quality_faults", "quality_copies", "quality_finance")
PROMISED = (
    "kept_share",
    "quotes_found_share",
    "exact_count_error",
    "duplicates_kept",
    "leak_phrases_kept",
    "forms_per_fact",
    "sections_covered_share",
    "faults",
)
QUICK = {
    "quality_examples": ("--documents", "1"),
    "quality_faults": ("--facts", "112"),
    "quality_copies": ("--questions", "4000"),
}


def main() -> None:
    """Run all parts and print their figures together."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_quality")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    print_figures(PARTS, PROMISED, QUICK if parser.parse_args().quick else {})


if __name__ == "__main__":
    main()
