"""How fast and in how much memory a dataset version is exported.

`python -m tests.bench.dataset_exporting [--rows 10000,100000,1000000] [--cases jsonl,...]` prints one JSON object: `export_rows_s`, the
slower of jsonl (`messages_jsonl`) and alpaca json at the largest size, and `export_peak_mb`, the most memory of any
run; by size and case `export_ROWS_CASE_rows_s`, `export_ROWS_CASE_cpu_rows_s` (rows for a second of the processor, which
others that use it do not change) and `export_ROWS_CASE_peak_mb`, and for each case by how much the processor's time for a
row grows from the smallest size to the largest, `export_growth` (1 is no growth). Contents have about 600 bytes. Each case
runs in a process of its own, on one core; the time is that of survey and files, the start of the process left out; the peak
is what the process occupies at most, its libraries included. MB are millions of bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.dataset.exports.making import export
from services.dataset.exports.options import Column, ExportOptions
from services.dataset.exports.shards import Shard, shard_at
from tests.integration.stores import ROOT
from tests.unit.dataset.exports.makers import write_many

SIZES = "10000,100000,1000000"
CASES: Mapping[str, ExportOptions] = {
    "jsonl": ExportOptions(shape="messages_jsonl"),
    "alpaca_json": ExportOptions(shape="alpaca", file_type="json"),
    "jsonl_gzip": ExportOptions(shape="messages_jsonl", compression="gzip"),
    "jsonl_zstd": ExportOptions(shape="messages_jsonl", compression="zstd"),
    "capped_jsonl": ExportOptions(shape="messages_jsonl", max_per_tag=5000),
    "alpaca_csv": ExportOptions(shape="alpaca", file_type="csv"),
    "openai_parquet": ExportOptions(shape="openai", file_type="parquet"),
    "hugging_face": ExportOptions(bundle="hugging_face"),
    "custom_jsonl": ExportOptions(
        shape="custom", columns=[Column("q", "{{ question }}"), Column("a", "{{ answer|trim }}")]
    ),
}
BARS = ("jsonl", "alpaca_json")
"""The cases of which a speed is promised."""


def measure(case: str, folder: Path) -> None:
    """Export in this process and print seconds and peak MB."""
    shards = [shard_at("train", path) for path in sorted(folder.glob("train-*.parquet"))]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        start, used = time.perf_counter(), time.process_time()
        export(shards, CASES[case], Path(out))
        seconds, used = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"seconds": seconds, "cpu_seconds": used, "peak_mb": peak}))


def measured(case: str, folder: Path) -> dict[str, float]:
    """The same in a process of its own, on one core."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.dataset_exporting", "--case", case, "--folder", str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"},
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def figures(sizes: Sequence[int], cases: Sequence[str], folder: Path) -> dict[str, object]:
    """All figures."""
    found: dict[str, object] = {}
    walls: dict[tuple[str, int], float] = {}
    speeds: dict[tuple[str, int], float] = {}
    peaks: list[float] = []
    for size in sizes:
        shards: list[Shard] = write_many(folder / str(size), size)
        for case in cases:
            run = measured(case, shards[0].path.parent)
            walls[case, size], speeds[case, size] = size / run["seconds"], size / run["cpu_seconds"]
            peaks.append(run["peak_mb"])
            found[f"export_{size}_{case}_rows_s"] = round(walls[case, size])
            found[f"export_{size}_{case}_cpu_rows_s"] = round(speeds[case, size])
            found[f"export_{size}_{case}_peak_mb"] = round(run["peak_mb"])
            told = f"{walls[case, size]:>9,.0f} rows/s {speeds[case, size]:>9,.0f} rows/CPU s"
            sys.stderr.write(f"{size:>9,} {case:<16} {told} {run['peak_mb']:>5.0f} MB\n")
    growth = {case: round(speeds[case, sizes[0]] / speeds[case, sizes[-1]], 2) for case in cases}
    return {
        "export_rows_s": round(min(walls[case, sizes[-1]] for case in BARS if case in cases)),
        "export_peak_mb": round(max(peaks)),
        "export_growth": growth,
        **found,
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default=SIZES)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--folder", type=Path)
    flags = parser.parse_args()
    if flags.case:
        measure(flags.case, flags.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        sizes = [int(size) for size in flags.rows.split(",")]
        print(json.dumps(figures(sizes, flags.cases.split(","), Path(folder))))


if __name__ == "__main__":
    main()
