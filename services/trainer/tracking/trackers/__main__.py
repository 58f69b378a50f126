"""`python -m services.trainer.tracking.trackers NAME WORK FOLDER`: tell one tracker of the run in a folder.

Ends when the run has ended, or soon after its standard input was closed.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from services.trainer.tracking.trackers.adapters import TRACKERS, TrackedRun
from services.trainer.tracking.trackers.report import Reporter
from services.trainer.tracking.trackers.state import INFO

LOOK_SECONDS = 0.5


def main(name: str, work: Path, folder: Path) -> None:
    """Tell the tracker."""
    info = json.loads((work / INFO).read_bytes())
    closed = threading.Event()

    def listen() -> None:
        sys.stdin.buffer.read()
        closed.set()

    threading.Thread(target=listen, daemon=True).start()
    reporter = Reporter(name, TRACKERS[name](), TrackedRun(folder=folder, **info), work)
    reporter.follow(lambda: closed.wait(LOOK_SECONDS))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
