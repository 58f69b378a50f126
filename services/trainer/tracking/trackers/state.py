"""How far a tracker has been told of a run, kept beside the run's events."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

INFO = "trackers.json"
"""What the service says to trackers: a `TrackedRun` without its folder."""


@dataclass(frozen=True)
class TrackerState:
    """How far it is.

    Args:
        reported: the last step that it was told of.
        remote_id: id of the run there.
        url: where people see it.
        message: what went wrong; empty while all is well.
        ended: whether it has the whole run.
    """

    reported: int = 0
    remote_id: str = ""
    url: str = ""
    message: str = ""
    ended: bool = False


def state_path(work: Path, name: str) -> Path:
    """The file of a tracker's state."""
    return work / f"tracker-{name}.json"


def read_state(work: Path, name: str) -> TrackerState:
    """The state; the first one where there is none."""
    try:
        return TrackerState(**json.loads(state_path(work, name).read_bytes()))
    except (OSError, ValueError, TypeError):
        return TrackerState()


def write_state(work: Path, name: str, state: TrackerState) -> None:
    """Write the state whole or not at all."""
    path = state_path(work, name)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(state)), encoding="utf-8")
    part.replace(path)
