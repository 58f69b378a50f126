"""Embeddings of new questions: those that the project has, and those that are asked for and counted."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from services.generation.asking.call_store import CallStore
from services.generation.calls.embeddings import Embedded, Embedder
from services.generation.calls.replies import Usage, usage_of
from services.generation.gates.meaning_store import find_vectors
from services.generation.gates.meanings import Meanings, meanings_of
from services.generation.generations.generations import Generation
from services.generation.providers.providers import Provider
from services.generation.providers.store import ProviderStore
from services.generation.questions.questions import CallRecord, NewQuestion
from services.runtime.db import Pool
from services.runtime.errors import SishuError
from services.runtime.ids import new_id

EMBEDDING = "embedding"
"""Stands for a prompt in the records of these calls."""


class Embeddings:
    """The embeddings of new questions.

    Args:
        pool: the room's database.
        calls: where it is counted what was paid.
        embedder: asks.
        providers: whom.
    """

    def __init__(self, pool: Pool, calls: CallStore, embedder: Embedder, providers: ProviderStore) -> None:
        self._pool = pool
        self._calls = calls
        self._embedder = embedder
        self._providers = providers

    async def of(
        self, generation: Generation, chunk_id: str, questions: Sequence[NewQuestion]
    ) -> Meanings | None:
        """The embeddings of the questions that are not rejected; nothing where the generation wants none.

        What the project has embedded before is not asked for again; what is asked for is counted at once.

        Raises:
            SishuError: as calls of language models.
        """
        provider_id = generation.options.gates.embedding_provider_id
        texts = {new.id: new.text for new in questions if not new.rejection}
        if not provider_id or not texts or "MEANING_COPY" in generation.options.gates.off:
            return None
        provider = await self._providers.get(provider_id)
        keys = {question_id: key_of(provider, text) for question_id, text in texts.items()}
        known = await find_vectors(self._pool, generation.project_id, list(keys.values()))
        lacking = {key: texts[question_id] for question_id, key in keys.items() if key not in known}
        if lacking:
            embedded = await self._embedded(generation, provider, chunk_id, list(lacking.values()))
            known |= dict(zip(lacking, embedded.vectors, strict=True))
        vectors = np.stack([known[key] for key in keys.values()])
        return meanings_of(name_of(provider), keys, vectors)

    async def _embedded(
        self, generation: Generation, provider: Provider, chunk_id: str, texts: Sequence[str]
    ) -> Embedded:
        """The embeddings of texts; what they cost is counted, also where it was in vain."""
        try:
            embedded = await self._embedder.embed(provider, texts)
        except SishuError as error:
            if (usage := usage_of(error)).calls:
                currency = await self._embedder.currency(provider)
                call = record(usage, name_of(provider), currency, provider, chunk_id, error.reason)
                await self._calls.add_failed(generation.id, call)
            raise
        call = record(embedded.usage, embedded.model, embedded.currency, provider, chunk_id)
        await self._calls.add_failed(generation.id, call)
        return embedded


def name_of(provider: Provider) -> str:
    """What names a model of embeddings wherever it is served."""
    return provider.model or provider.deployment_id or provider.id


def key_of(provider: Provider, text: str) -> bytes:
    """What the embedding of a text by a model is found by."""
    return sha256(f"{name_of(provider)}\x1f{text}".encode("utf-8", "surrogatepass")).digest()


def record(
    usage: Usage, model: str, currency: str, provider: Provider, chunk_id: str, failure: str = ""
) -> CallRecord:
    """What is stored about calls for embeddings."""
    return CallRecord(
        id=new_id(),
        prompt_version=EMBEDDING,
        provider_id=provider.id,
        model=model,
        parameters={},
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=0,
        calls=usage.calls,
        seconds=usage.seconds,
        cost=usage.cost,
        currency=currency,
        chunk_id=chunk_id,
        failure=failure,
    )
