"""Have texts embedded, once for each project."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.generation.calls.embeddings import MOST_TEXTS, Embedded, Embedder
from services.generation.calls.replies import Usage
from services.generation.embeddings.store import EmbeddingStore
from services.generation.gates.embedding import key_of
from services.generation.providers.providers import Provider

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextEmbeddings:
    """Embeddings of texts.

    Args:
        vectors: a row for each text, as precise as float16.
        remembered: texts that were not asked for.
        usage: what the calls used.
        currency: in which they are paid; empty where there is no price.
    """

    vectors: Vectors
    remembered: int
    usage: Usage
    currency: str


class TextEmbedder:
    """Has texts embedded, and remembers what comes.

    Args:
        store: remembers.
        embedder: asks.
    """

    def __init__(self, store: EmbeddingStore, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder

    async def embed(self, provider: Provider, texts: Sequence[str]) -> TextEmbeddings:
        """The embeddings of texts; those that the project has are not asked for.

        Each call is remembered as soon as it is answered, so that nothing is paid twice if another fails.

        Raises:
            SishuError: as calls of language models.
        """
        keys = [key_of(provider, text) for text in texts]
        known = await self._store.find(provider.project_id, sorted(set(keys)))
        lacking = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        new = list(lacking)
        parts = [new[at : at + MOST_TEXTS] for at in range(0, len(new), MOST_TEXTS)]
        usage, currency = Usage(), ""

        async def ask(part: Sequence[bytes]) -> Embedded:
            embedded = await self._embedder.embed(provider, [lacking[key] for key in part])
            # What was remembered is as precise as what comes first.
            vectors = dict(zip(part, embedded.vectors.astype(np.float16).astype(np.float32), strict=True))
            await self._store.add(provider.project_id, vectors)
            known.update(vectors)
            return embedded

        found = await asyncio.gather(*map(ask, parts), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException):
                raise one
            usage, currency = usage + one.usage, one.currency
        vectors = np.stack([known[key] for key in keys])
        return TextEmbeddings(vectors, sum(key not in lacking for key in keys), usage, currency)
