"""How fast and how surely the engine fine-tunes, beside LLaMA-Factory and TRL.

`python -m tests.bench.bench_train` (or `make bench-train`) runs the parts below one after another, each in a
process of its own, and prints one JSON object with the figures of all as its last line; each part's own
docstring says what they are. `--quick` takes less of everything. `bench_training` is another bench, for an
accelerator.
"""

from __future__ import annotations

import argparse

from tests.bench.parts import print_figures

PARTS = ("training_packing", "training_kills", "training_rates")
PROMISED = (
    "vs_llamafactory_default",
    "vs_llamafactory_best",
    "vs_llamafactory_fp32",
    "vs_trl_packing",
    "llamafactory_best",
    "loss_gap",
    "packed_loss_error",
    "resume_ok",
    "startup_s",
    "train_peak_mb",
)
QUICK = {
    "training_packing": ("--rows", "12"),
    "training_kills": ("--kills", "4", "--steps", "60"),
    "training_rates": (
        *("--rows", "48", "--trials", "2", "--rounds", "4"),
        *("--settings", "rows_1", "rows_4_by_length"),
    ),
}


def main() -> None:
    """Run all parts and print their figures together."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_train")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    print_figures(PARTS, PROMISED, QUICK if parser.parse_args().quick else {})


if __name__ == "__main__":
    main()
