"""A trainer's side of a measurement: it does steps when it is asked to, and tells how long they took.

Imported by every side, each under a Python of its own, so it needs nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

REPORTS = "SISHU_BENCH_REPORTS"
"""Names the descriptor that reports are written to, as lines of JSON: a trainer's own output may be anything."""


class Gate:
    """Holds a trainer before a step until standard input has a line with a number of steps, or ends."""

    def __init__(self) -> None:
        self._reports = os.fdopen(int(os.environ[REPORTS]), "w", buffering=1)
        self._left = self._tokens = 0
        self._began = self._used = 0.0

    def before_step(self) -> None:
        """Wait until the step may be done."""
        if self._left:
            return
        self._tell(ready=True)
        line = sys.stdin.readline()
        if not line:
            # Nobody asks any more. A trainer has no way out that would be quicker.
            os._exit(0)
        self._left, self._tokens = int(line), 0
        self._began, self._used = time.perf_counter(), time.process_time()

    def after_step(self, tokens: int) -> None:
        """Count a step of so many real tokens; after the last one that was asked for, report."""
        self._left -= 1
        self._tokens += tokens
        if not self._left:
            self._report()

    def ended(self) -> None:
        """Report what was done of the steps asked for when there are no more rows."""
        if self._left:
            self._report()
        self._tell(ended=True)

    def _report(self) -> None:
        seconds, used = time.perf_counter() - self._began, time.process_time() - self._used
        self._tell(tokens=self._tokens, seconds=seconds, cpu_seconds=used, peak_mb=_peak_mb())

    def _tell(self, **facts: object) -> None:
        self._reports.write(json.dumps(facts) + "\n")


def _peak_mb() -> float:
    """Largest resident set of this process so far."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
