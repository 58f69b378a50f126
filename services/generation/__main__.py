"""`python -m services.generation`: serve the generation room, or work on its queue."""

from __future__ import annotations

import os
from pathlib import Path

from services.generation.asking import Asker
from services.generation.batching import Batcher
from services.generation.call_store import CallStore
from services.generation.calls.batch_api import BatchApi
from services.generation.calls.batch_store import BatchStore
from services.generation.calls.batches import Batches
from services.generation.calls.endpoint_store import EndpointStore
from services.generation.calls.endpoints import Endpoints
from services.generation.calls.gate import Gate
from services.generation.calls.llm import Llm
from services.generation.calls.transport import Transport
from services.generation.chunk_reader import ChunkReader
from services.generation.config import GenerationConfig
from services.generation.forecast_store import ForecastStore
from services.generation.keys import Keys
from services.generation.metrics import GenerationMetrics
from services.generation.provider_store import ProviderStore
from services.generation.providers import Endpoint
from services.generation.reserving import Reserver
from services.generation.service import GenerationServicer, ProviderServicer, QuestionServicer
from services.generation.store import Store
from services.generation.trial import Trial
from services.generation.worker import GenerationWorker
from services.runtime.config import read
from services.runtime.project_data import ProjectData
from services.runtime.room import Built, Parts, Room, run_room
from services.runtime.secrets import SecretBox
from services.runtime.server import Servicer
from sishu.generation.v1 import (
    generation_service_pb2_grpc,
    provider_service_pb2_grpc,
    question_service_pb2_grpc,
)


def build(parts: Parts) -> Built:
    """Wire the room."""
    config = read(GenerationConfig, os.environ)
    store, providers = Store(parts.pool, parts.jobs), ProviderStore(parts.pool)
    chunks = ChunkReader(parts.client)
    secrets = SecretBox(config.secret_key_file)
    keys = Keys(secrets, os.environ, config.provider_key_folder)
    endpoints = Endpoints(parts.client, keys, providers.get_many)
    known, metrics = EndpointStore(parts.pool), GenerationMetrics(parts.metrics.registry)
    gate = Gate(known, metrics)
    transport = Transport(config.call_seconds, config.idle_seconds, heard=gate.heard)
    llm = Llm(transport, gate, known, metrics)
    calls = CallStore(parts.pool)
    forecasts = ForecastStore(parts.pool)
    waiting = BatchStore(parts.pool, parts.jobs)
    asker = Asker(calls, Reserver(calls, parts.jobs), llm, Batcher(waiting, llm), endpoints)

    async def place_of(provider_id: str) -> Endpoint:
        return await endpoints.find_one(await providers.get(provider_id))

    batches = Batches(waiting, BatchApi(transport), place_of, metrics, config.batch_seconds)
    worker = GenerationWorker(parts.jobs, store, forecasts, chunks, asker)
    trial = Trial(transport, endpoints, providers.get_many, known)
    package = "sishu.generation.v1"
    return Built(
        servicers=[
            Servicer(
                f"{package}.ProviderService",
                provider_service_pb2_grpc.add_ProviderServiceServicer_to_server,
                ProviderServicer(providers, secrets, trial),
            ),
            Servicer(
                f"{package}.GenerationService",
                generation_service_pb2_grpc.add_GenerationServiceServicer_to_server,
                GenerationServicer(store, forecasts, providers, chunks),
            ),
            Servicer(
                f"{package}.QuestionService",
                question_service_pb2_grpc.add_QuestionServiceServicer_to_server,
                QuestionServicer(store),
            ),
        ],
        handlers={
            "plan_questions": worker.plan_questions,
            "plan_pilot": worker.plan_pilot,
            "write_questions": worker.write_questions,
            "write_answer": worker.write_answer,
        },
        project_data=ProjectData(store.delete_project),
        background=[batches.run],
        closing=[gate.close, transport.close],
    )


if __name__ == "__main__":
    run_room(Room("generation", Path(__file__).parent, build, concurrency=256))
