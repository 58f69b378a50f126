"""Every part of a bench prints its figures: `make bench-...` runs them as modules and reads their last line."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

BENCHES = (
    "bench_dataset",
    "bench_estimate",
    "bench_generation",
    "bench_inference",
    "bench_ingest",
    "bench_quality",
    "bench_train",
)
PARTS = [part for name in BENCHES for part in importlib.import_module(f"tests.bench.{name}").PARTS]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_bench_prints_json_when_it_is_run(part: str) -> None:
    tree = ast.parse((Path(__file__).parents[1] / "bench" / f"{part}.py").read_text(encoding="utf-8"))
    assert ast.unparse(tree.body[-1]).startswith("if __name__ == '__main__':")
    assert "print(json.dumps(" in ast.unparse(tree)
