"""`EmbeddingService`: one thin method an rpc."""

from __future__ import annotations

from services.generation.embeddings.embeddings import TextEmbedder
from services.generation.providers.store import ProviderStore
from services.runtime.interceptors import Context
from sishu.generation.v1 import embedding_service_pb2 as pb
from sishu.generation.v1.embedding_service_pb2_grpc import EmbeddingServiceServicer


class EmbeddingServicer(EmbeddingServiceServicer):
    """Embeddings of texts."""

    def __init__(self, embedder: TextEmbedder, providers: ProviderStore) -> None:
        self._embedder = embedder
        self._providers = providers

    async def EmbedTexts(self, request: pb.EmbedTextsRequest, context: Context) -> pb.EmbedTextsResponse:
        provider = await self._providers.get(request.provider_id)
        found = await self._embedder.embed(provider, request.texts)
        return pb.EmbedTextsResponse(
            embeddings=[pb.Embedding(values=vector.tolist()) for vector in found.vectors],
            remembered=found.remembered,
            calls=found.usage.calls,
            tokens=found.usage.prompt_tokens,
            cost=found.usage.cost,
            currency=found.currency,
        )
