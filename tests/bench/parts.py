"""Measurements in parts, each in a process of its own, whose figures are printed as one JSON object."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tests.integration.stores import ROOT

PART_SECONDS = 3600


def print_figures(parts: Sequence[str], promised: Sequence[str], flags: Mapping[str, Sequence[str]]) -> None:
    """Run all parts and print their figures, those that are promised first.

    The figures of each part go to standard error as they come: a later one that fails loses none.
    """
    figures: dict[str, Any] = {}
    for part in parts:
        sys.stderr.write(f"{part} ...\n")
        found = figures_of(part, flags.get(part, ()))
        sys.stderr.write(f"{json.dumps(found)}\n")
        figures |= found
    peaks = [value for name, value in figures.items() if name.endswith("peak_mb")]
    if peaks:
        figures["peak_mb"] = max(peaks)
    print(json.dumps({name: figures[name] for name in promised} | figures))


def figures_of(part: str, flags: Sequence[str]) -> dict[str, Any]:
    """The figures of a part: the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{part}", *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])},
        stdout=subprocess.PIPE,
        timeout=PART_SECONDS,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
