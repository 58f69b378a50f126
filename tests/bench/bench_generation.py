"""How fast, how surely and how cheaply the generation room calls language models, beside its peers.

`python -m tests.bench.bench_generation` (or `make bench-generation`) runs the parts below one after another,
each in a process of its own, and prints one JSON object with the figures of all as its last line; each part's
own docstring says what they are. `--quick` takes less of everything.
"""

from __future__ import annotations

import argparse

from tests.bench.parts import print_figures

PARTS = (
    "generation_throughput",
    "generation_adaptive",
    "generation_durability",
    "generation_cache",
    "generation_outputs",
    "generation_peers",
    "generation_scaling",
)
PROMISED = (
    "ideal_share_100",
    "bare_share_200",
    "cpu_ms_per_call",
    "rss_growth_mb",
    "adaptive_share",
    "adaptive_429_share",
    "found_seconds",
    "kill_lost",
    "kill_duplicates",
    "paid_over_ideal",
    "second_run_calls",
    "one_percent_calls_share",
    "peers",
)
QUICK = {
    "generation_throughput": ("--seconds", "6", "--rounds", "1", "--calls", "3000"),
    "generation_adaptive": ("--seconds", "20"),
    "generation_durability": ("--questions", "400"),
    "generation_cache": ("--pages", "100"),
    "generation_peers": ("--seconds", "8", "--rounds", "1"),
    "generation_scaling": ("--seconds", "10"),
}


def main() -> None:
    """Run all parts and print their figures together."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_generation")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    print_figures(PARTS, PROMISED, QUICK if parser.parse_args().quick else {})


if __name__ == "__main__":
    main()
