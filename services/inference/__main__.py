"""`python -m services.inference`: serve the inference room, or work on its queue."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from services.inference.config import InferenceConfig
from services.inference.engine_process import Engines
from services.inference.gateway.server import Gateway
from services.inference.history.service import ConversationServicer
from services.inference.history.store import ConversationStore
from services.inference.loading import Loader
from services.inference.metrics import InferenceMetrics
from services.inference.reconciler import Reconciler
from services.inference.resting import Waker
from services.inference.service import ChatServicer, DeploymentServicer, ExamServicer
from services.inference.sharing import Seats
from services.inference.store import Store
from services.inference.supervisor import Supervisor
from services.inference.upstream import Upstream
from services.inference.worker import ExamWorker
from services.runtime.config import read
from services.runtime.project_data import ProjectData
from services.runtime.room import Built, Parts, Room, run_room
from services.runtime.server import Servicer
from sishu.inference.v1 import (
    chat_service_pb2_grpc,
    conversation_service_pb2_grpc,
    deployment_service_pb2_grpc,
    exam_service_pb2_grpc,
)


def build(parts: Parts) -> Built:
    """Wire the room."""
    config = read(InferenceConfig, os.environ)
    home, wake = parts.config.home, asyncio.Event()
    store, metrics = Store(parts.pool, parts.jobs), InferenceMetrics(parts.metrics.registry)
    conversations = ConversationStore(parts.pool)
    upstream = Upstream(metrics, config.answer_seconds)
    waker = Waker(store.deployments, wake, config.load_seconds)
    gateway = Gateway(store.deployments, waker, metrics, parts.config, config)
    loader = Loader(parts.client, home, config.engine_python)
    engines = Engines(config, home / "deployments")
    supervisor = Supervisor(store.deployments, loader, Seats(engines), metrics)
    return Built(
        servicers=[
            Servicer(
                "sishu.inference.v1.DeploymentService",
                deployment_service_pb2_grpc.add_DeploymentServiceServicer_to_server,
                DeploymentServicer(store.deployments, parts.client, wake),
            ),
            Servicer(
                "sishu.inference.v1.ChatService",
                chat_service_pb2_grpc.add_ChatServiceServicer_to_server,
                ChatServicer(store.deployments, upstream, waker, conversations),
            ),
            Servicer(
                "sishu.inference.v1.ConversationService",
                conversation_service_pb2_grpc.add_ConversationServiceServicer_to_server,
                ConversationServicer(conversations),
            ),
            Servicer(
                "sishu.inference.v1.ExamService",
                exam_service_pb2_grpc.add_ExamServiceServicer_to_server,
                ExamServicer(store, parts.jobs, parts.client),
            ),
        ],
        handlers={"ask_question": ExamWorker(parts.jobs, store, upstream, metrics).ask_question},
        project_data=ProjectData(store.delete_project, ("exams",)),
        background=[
            Reconciler(store.deployments, supervisor, upstream, metrics, wake).run,
            gateway.run,
        ],
        closing=[upstream.close],
    )


if __name__ == "__main__":
    run_room(Room("inference", Path(__file__).parent, build, concurrency=16))
