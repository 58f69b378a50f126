"""Seconds until the whole stack is healthy: the first start makes the databases, the second finds them.

`python -m tests.bench.bench_startup` prints one JSON object as its last line:
`{"first_seconds", "second_seconds", "down_seconds"}`.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from services.local import stack


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds that a piece of work takes."""
    started = time.monotonic()
    work()
    return round(time.monotonic() - started, 2)


def measure(home: Path) -> dict[str, float]:
    """Start, stop and start again in a fresh state directory."""
    try:
        first = seconds(lambda: stack.up(home, environ=os.environ))
        down = seconds(lambda: stack.down(home))
        second = seconds(lambda: stack.up(home, environ=os.environ))
    finally:
        stack.down(home)
    return {"first_seconds": first, "second_seconds": second, "down_seconds": down}


def main() -> None:
    """Measure once and print."""
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        print(json.dumps(measure(Path(folder) / "home")))


if __name__ == "__main__":
    main()
