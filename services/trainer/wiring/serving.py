"""What the room serves, and what runs beside its server."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from services.runtime.project_data import ProjectData
from services.runtime.room import Background
from services.runtime.server import Servicer
from services.runtime.sweeping import sweep_often
from services.trainer.checkpoints.sweeping import SWEEP_SECONDS as CHECKPOINT_SWEEP_SECONDS
from services.trainer.checkpoints.sweeping import CheckpointSweeper
from services.trainer.code_version import code_version
from services.trainer.deletion import Deletion
from services.trainer.estimate_service import EstimateServicer
from services.trainer.metrics import count_runs
from services.trainer.node.device_metrics import DeviceMetrics
from services.trainer.node.probing import Prober
from services.trainer.node.service import TrainerNodeServicer
from services.trainer.registry.service import RegistryServicer
from services.trainer.registry.sweeping import SWEEP_SECONDS, Sweeper
from services.trainer.service import TrainingServicer
from services.trainer.tracking.run_files import RunFiles
from services.trainer.wiring.shared import Shared
from services.trainer.workers.service import WorkerServicer
from sishu.trainer.v1 import (
    estimate_service_pb2_grpc,
    model_service_pb2_grpc,
    trainer_node_service_pb2_grpc,
    training_service_pb2_grpc,
    worker_service_pb2_grpc,
)


@dataclass(frozen=True)
class Serving:
    """Of a `Built`, what is of the server."""

    servicers: list[Servicer]
    project_data: ProjectData
    background: list[Background]


def serving(room: Shared) -> Serving:
    """Wire it."""
    deletion = Deletion(room.store, room.parts.storage, room.home)
    room.parts.metrics.registry.register(
        DeviceMetrics(room.reports.host, room.sampler, lambda: room.reports.others)
    )
    return Serving(
        [*_of_models_and_runs(room, deletion), *_of_the_machine(room)],
        ProjectData(deletion.delete_project_rows, ("runs", "models", "model_uploads")),
        [
            functools.partial(count_runs, room.store, room.metrics),
            *_sweepers(room),
            room.sampler.run,
            room.reports.keep_listening,
        ],
    )


def _of_models_and_runs(room: Shared, deletion: Deletion) -> list[Servicer]:
    parts, store = room.parts, room.store
    files = RunFiles(parts.pool, parts.storage)
    return [
        Servicer(
            "sishu.trainer.v1.ModelService",
            model_service_pb2_grpc.add_ModelServiceServicer_to_server,
            RegistryServicer(store, parts.storage, parts.client, deletion, room.registry, room.cards),
        ),
        Servicer(
            "sishu.trainer.v1.TrainingService",
            training_service_pb2_grpc.add_TrainingServiceServicer_to_server,
            TrainingServicer(store, files, parts.client, deletion, code_version(), room.preflight),
        ),
        Servicer(
            "sishu.trainer.v1.EstimateService",
            estimate_service_pb2_grpc.add_EstimateServiceServicer_to_server,
            EstimateServicer(store, room.estimates, room.config.accelerator),
        ),
    ]


def _of_the_machine(room: Shared) -> list[Servicer]:
    config = room.config
    prober = Prober(config.engine_python, config.device, room.sampler, room.environment)
    return [
        Servicer(
            "sishu.trainer.v1.TrainerNodeService",
            trainer_node_service_pb2_grpc.add_TrainerNodeServiceServicer_to_server,
            TrainerNodeServicer(room.parts.pool, room.sampler, prober, room.reports),
        ),
        Servicer(
            "sishu.trainer.v1.WorkerService",
            worker_service_pb2_grpc.add_WorkerServiceServicer_to_server,
            WorkerServicer(room.workers),
        ),
    ]


def _sweepers(room: Shared) -> list[Background]:
    storage = room.parts.storage
    models = Sweeper(room.registry, storage, room.home)
    checkpoints = CheckpointSweeper(room.store, storage, room.parts.config.heartbeat_seconds)
    return [
        functools.partial(sweep_often, "models", models.sweep, SWEEP_SECONDS),
        functools.partial(sweep_often, "checkpoints", checkpoints.sweep, CHECKPOINT_SWEEP_SECONDS),
    ]
