"""`python -m services.trainer`: serve the trainer room, or work on its queue."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from services.runtime.config import read
from services.runtime.project_data import ProjectData
from services.runtime.room import Built, Parts, Room, run_room
from services.runtime.server import Servicer
from services.runtime.sweeping import sweep_often
from services.trainer.code_version import code_version
from services.trainer.config import TrainerConfig
from services.trainer.deletion import Deletion
from services.trainer.estimate_service import EstimateServicer
from services.trainer.estimate_store import EstimateStore
from services.trainer.metrics import TrainerMetrics, count_runs
from services.trainer.node.dcu_environment import is_dcu_node, run_environment
from services.trainer.node.device_metrics import DeviceMetrics
from services.trainer.node.probing import Prober
from services.trainer.node.programs import Programs
from services.trainer.node.sampler import Sampler
from services.trainer.node.service import TrainerNodeServicer
from services.trainer.preflight import Preflight
from services.trainer.registry.cards import Cards
from services.trainer.registry.folders import Folders
from services.trainer.registry.service import RegistryServicer
from services.trainer.registry.store import RegistryStore
from services.trainer.registry.sweeping import SWEEP_SECONDS, Sweeper
from services.trainer.registry.worker import RegistryWorker
from services.trainer.service import TrainingServicer
from services.trainer.store import Store
from services.trainer.tracking.run_files import RunFiles
from services.trainer.worker import PrepareWorker, TrainWorker
from services.trainer.workers.devices import nodes_of_machine
from services.trainer.workers.leftovers import sweep_runs
from services.trainer.workers.registration import ThisWorker
from services.trainer.workers.service import WorkerServicer
from services.trainer.workers.store import Workers
from sishu.trainer.v1 import (
    estimate_service_pb2_grpc,
    model_service_pb2_grpc,
    trainer_node_service_pb2_grpc,
    training_service_pb2_grpc,
    worker_service_pb2_grpc,
)

SMI_SECONDS = 4.0
"""A tool of a driver that says nothing for so long hangs; the slowest call of all takes one."""
BESIDE_RUNS = 2
"""Items in work beside those that train: base models that are prepared."""


def build(parts: Parts) -> Built:
    """Wire the room."""
    config, home = read(TrainerConfig, os.environ), parts.config.home
    store, metrics = Store(parts.pool, parts.jobs), TrainerMetrics(parts.metrics.registry, config.peak_flops)
    files = RunFiles(parts.pool, parts.storage)
    deletion = Deletion(store, parts.storage, home)
    registry = RegistryStore(store)
    cards = Cards(store, registry, parts.client)
    folders = Folders(store, registry, parts.storage, home, config.engine_python)
    sweeper = Sweeper(registry, parts.storage, home)
    estimates = EstimateStore(parts.pool)
    preflight = Preflight(estimates, config.accelerator)
    preparer = PrepareWorker(parts.jobs, store, home / "models", config.engine_python, estimates)
    environment = run_environment(os.environ, is_dcu=config.device != "cpu" and is_dcu_node())
    workers = Workers(parts.pool, parts.config.heartbeat_seconds)
    worker = ThisWorker(workers, config, parts.config.heartbeat_seconds, code_version())
    trainer = TrainWorker(parts, store, metrics, worker, preflight, cards, folders, environment)
    sampler = Sampler(config.sample_seconds, Programs(SMI_SECONDS))
    parts.metrics.registry.register(DeviceMetrics(sampler))
    prober = Prober(config.engine_python, config.device, sampler, environment)
    maker = RegistryWorker(parts, store, registry, cards, folders, worker)
    return Built(
        servicers=[
            Servicer(
                "sishu.trainer.v1.ModelService",
                model_service_pb2_grpc.add_ModelServiceServicer_to_server,
                RegistryServicer(store, parts.storage, parts.client, deletion, registry, cards),
            ),
            Servicer(
                "sishu.trainer.v1.TrainingService",
                training_service_pb2_grpc.add_TrainingServiceServicer_to_server,
                TrainingServicer(store, files, parts.client, deletion, code_version(), preflight),
            ),
            Servicer(
                "sishu.trainer.v1.EstimateService",
                estimate_service_pb2_grpc.add_EstimateServiceServicer_to_server,
                EstimateServicer(store, estimates, config.accelerator),
            ),
            Servicer(
                "sishu.trainer.v1.TrainerNodeService",
                trainer_node_service_pb2_grpc.add_TrainerNodeServiceServicer_to_server,
                TrainerNodeServicer(parts.pool, sampler, prober),
            ),
            Servicer(
                "sishu.trainer.v1.WorkerService",
                worker_service_pb2_grpc.add_WorkerServiceServicer_to_server,
                WorkerServicer(workers),
            ),
        ],
        handlers={
            "prepare_model": preparer.prepare_model,
            "train": trainer.train,
            "merge_model": maker.merge_model,
            "export_model": maker.export_model,
            "import_model": maker.import_model,
        },
        project_data=ProjectData(deletion.delete_project_rows, ("runs", "models", "model_uploads")),
        background=[
            functools.partial(count_runs, store, metrics),
            functools.partial(sweep_often, "models", sweeper.sweep, SWEEP_SECONDS),
            sampler.run,
        ],
        working=[worker.be_seen, functools.partial(sweep_runs, home, store)],
    )


if __name__ == "__main__":
    # A run has its devices to itself whatever the number (see `leases`): one that finds none is handed back.
    run_room(Room("trainer", Path(__file__).parent, build, concurrency=nodes_of_machine() + BESIDE_RUNS))
