"""What the room's worker does, and what runs beside it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from services.runtime.room import Background
from services.runtime.worker import Handler
from services.trainer.code_version import code_version
from services.trainer.registry.folders import Folders
from services.trainer.registry.worker import RegistryWorker
from services.trainer.wiring.shared import Shared
from services.trainer.worker import PrepareWorker, TrainWorker
from services.trainer.workers.leftovers import sweep_runs
from services.trainer.workers.registration import ThisWorker


@dataclass(frozen=True)
class Working:
    """Of a `Built`, what is of the worker."""

    handlers: dict[str, Handler]
    beside: list[Background]


def working(room: Shared) -> Working:
    """Wire it."""
    parts, store, config, home = room.parts, room.store, room.config, room.home
    worker = ThisWorker(room.workers, config, parts.config.heartbeat_seconds, code_version())
    folders = Folders(store, room.registry, parts.storage, home, config.engine_python)
    preparer = PrepareWorker(parts.jobs, store, home / "models", config.engine_python, room.estimates)
    trainer = TrainWorker(
        parts, store, room.metrics, worker, room.preflight, room.cards, folders, room.environment
    )
    maker = RegistryWorker(parts, store, room.registry, room.cards, folders, worker)
    return Working(
        {
            "prepare_model": preparer.prepare_model,
            "train": trainer.train,
            "merge_model": maker.merge_model,
            "export_model": maker.export_model,
            "import_model": maker.import_model,
        },
        [
            worker.be_seen,
            functools.partial(sweep_runs, home, store),
            # Where the worker runs there are the cards, wherever the service is.
            room.sampler.run,
            room.reports.keep_telling,
        ],
    )
