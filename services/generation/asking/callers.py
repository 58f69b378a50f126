"""What in the generation room calls language models, put together."""

from __future__ import annotations

from dataclasses import dataclass

from services.generation.asking.asking import Asker
from services.generation.asking.batching import Batcher
from services.generation.asking.call_store import CallStore
from services.generation.asking.reserving import Reserver
from services.generation.calls.batch_api import BatchApi
from services.generation.calls.batch_store import BatchStore
from services.generation.calls.batches import Batches
from services.generation.calls.embeddings import Embedder
from services.generation.calls.endpoint_store import EndpointStore
from services.generation.calls.endpoints import Endpoints
from services.generation.calls.gate import Gate
from services.generation.calls.llm import Llm
from services.generation.calls.transport import Transport
from services.generation.config import GenerationConfig
from services.generation.metrics import GenerationMetrics
from services.generation.providers.keys import Keys
from services.generation.providers.providers import Endpoint
from services.generation.providers.store import ProviderStore
from services.generation.providers.trial import Trial
from services.runtime.room import Parts


@dataclass(frozen=True)
class Callers:
    """Who calls: for items, for a trial, in batches."""

    asker: Asker
    calls: CallStore
    embedder: Embedder
    trial: Trial
    batches: Batches
    endpoints: Endpoints
    gate: Gate
    transport: Transport


def callers(parts: Parts, config: GenerationConfig, providers: ProviderStore, keys: Keys) -> Callers:
    """The callers of a process, which share its gate and its connections."""
    endpoints = Endpoints(parts.client, keys, providers.get_many)
    known, metrics = EndpointStore(parts.pool), GenerationMetrics(parts.metrics.registry)
    gate = Gate(known, metrics)
    transport = Transport(config.call_seconds, config.idle_seconds, heard=gate.heard)
    llm = Llm(transport, gate, known, metrics)
    calls, waiting = CallStore(parts.pool, parts.config.heartbeat_seconds), BatchStore(parts.pool, parts.jobs)

    async def place_of(provider_id: str) -> Endpoint:
        return await endpoints.find_one(await providers.get(provider_id))

    return Callers(
        Asker(calls, Reserver(calls, parts.jobs), llm, Batcher(waiting, llm), endpoints, parts.jobs),
        calls,
        Embedder(transport, gate, endpoints),
        Trial(transport, gate, endpoints, providers.get_many, known),
        Batches(waiting, BatchApi(transport), place_of, keys, metrics, config.batch_seconds),
        endpoints,
        gate,
        transport,
    )
