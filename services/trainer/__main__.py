"""`python -m services.trainer`: serve the trainer room, or work on its queue."""

from __future__ import annotations

from pathlib import Path

from services.runtime.room import Built, Parts, Room, run_room
from services.trainer.wiring.serving import serving
from services.trainer.wiring.shared import shared
from services.trainer.wiring.working import working
from services.trainer.workers.devices import nodes_of_machine

BESIDE_RUNS = 2
"""Items in work beside those that train: base models that are prepared."""


def build(parts: Parts) -> Built:
    """Wire the room."""
    room = shared(parts)
    served, worked = serving(room), working(room)
    return Built(
        servicers=served.servicers,
        project_data=served.project_data,
        background=served.background,
        handlers=worked.handlers,
        working=worked.beside,
    )


if __name__ == "__main__":
    # A run has its devices to itself whatever the number (see `leases`): one that finds none is handed back.
    run_room(Room("trainer", Path(__file__).parent, build, concurrency=nodes_of_machine() + BESIDE_RUNS))
