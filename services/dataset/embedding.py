"""Have texts embedded by the generation room, which remembers what a project has had embedded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.runtime.at_once import each_of
from services.runtime.errors import InvalidArgument
from sishu.client import Client
from sishu.generation.v1 import embedding_service_pb2 as pb
from sishu.generation.v1 import provider_service_pb2

MOST_CHARACTERS = 8000
"""Of a text, from its beginning: what most models of embeddings take."""
TEXTS = 50
"""Of one call."""
AT_ONCE = 8
EMBED_SECONDS = 660.0
"""Longer than a call waits for its turn at the provider."""


@dataclass(frozen=True)
class EmbeddingCost:
    """What embeddings cost: texts that were paid for, tokens, money."""

    embedded: int = 0
    tokens: int = 0
    cost: float = 0.0
    currency: str = ""

    def with_answer(self, answer: pb.EmbedTextsResponse) -> EmbeddingCost:
        """This with the cost of one answer."""
        return EmbeddingCost(
            self.embedded + len(answer.embeddings) - answer.remembered,
            self.tokens + answer.tokens,
            self.cost + answer.cost,
            answer.currency or self.currency,
        )

    @property
    def counts(self) -> Mapping[str, Any]:
        """The fields of counts that tell of it."""
        return {
            "embedded": self.embedded,
            "embedding_tokens": self.tokens,
            "embedding_cost": self.cost,
            "embedding_currency": self.currency,
        }


def check_similarity(is_given: bool, provider_id: str, field: str) -> None:
    """Demand a provider where it is said from when on texts mean the same.

    Args:
        is_given: whether that is said.
        provider_id: who says what texts mean; empty for nobody.
        field: of the request that says it.

    Raises:
        InvalidArgument: nobody says what texts mean, so that it would change nothing.
    """
    if is_given and not provider_id:
        raise InvalidArgument(
            "FIELD_INVALID",
            f"{field}: meanings are compared by embeddings alone; name a provider of them, or leave it out",
            field,
        )


class TextEmbedder:
    """Has texts embedded by a provider of the generation room.

    Args:
        client: of the rooms.
        provider_id: who embeds.
    """

    def __init__(self, client: Client, provider_id: str) -> None:
        self._client = client
        self._provider_id = provider_id

    async def check(self, project_id: str, field: str) -> None:
        """Have a word embedded, to see that it can be done.

        Args:
            project_id: whose provider it must be.
            field: of the request that names the provider.

        Raises:
            InvalidArgument: the provider is another project's.
            ApiError: what the generation room says.
        """
        request = provider_service_pb2.GetProviderRequest(id=self._provider_id)
        provider = (await self._client.providers.GetProvider(request)).provider
        if provider.project_id != project_id:
            raise InvalidArgument(
                "PROVIDER_OF_OTHER_PROJECT",
                f"the provider {self._provider_id} is of project {provider.project_id}",
                field,
            )
        await self.embed(["embedding"])

    async def embed(self, texts: Sequence[str]) -> pb.EmbedTextsResponse:
        """Embeddings of at most `TEXTS` texts, none of them empty.

        Raises:
            ApiError: what the generation room says.
        """
        request = pb.EmbedTextsRequest(provider_id=self._provider_id, texts=texts)
        return await self._client.embeddings.EmbedTexts(request, timeout=EMBED_SECONDS)


class Vectors:
    """Gives a thread the vectors of texts, as long as it is open.

    Args:
        embedder: has them embedded.
    """

    def __init__(self, embedder: TextEmbedder) -> None:
        self._embedder = embedder
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self.cost = EmbeddingCost()

    def close(self) -> None:
        """Embed no more: nobody waits for it."""
        self._is_open = False

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """A vector for each text, of zeros for one that says nothing; equal texts are embedded once.

        Raises:
            ApiError: what the generation room says.
        """
        begun = [text[:MOST_CHARACTERS] for text in texts]
        wanted = list(dict.fromkeys(text for text in begun if text.strip()))
        found = asyncio.run_coroutine_threadsafe(self._embedded(wanted), self._loop).result()
        nothing = np.zeros(found.shape[1], np.float32)
        places = {text: place for place, text in enumerate(wanted)}
        return np.array([found[places[text]] if text in places else nothing for text in begun], np.float32)

    async def _embedded(self, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        parts = [texts[at : at + TEXTS] for at in range(0, len(texts), TEXTS)]
        found = await each_of(parts, self._embed, AT_ONCE)
        return np.concatenate(found) if found else np.zeros((0, 1), np.float16)

    async def _embed(self, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        if not self._is_open:
            raise asyncio.CancelledError
        answer = await self._embedder.embed(texts)
        self.cost = self.cost.with_answer(answer)
        return np.array([one.values for one in answer.embeddings], np.float16)
