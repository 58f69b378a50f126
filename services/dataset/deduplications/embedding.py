"""Have the texts of a search embedded by the generation room: each wording once, into a file of vectors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from services.dataset.deduplications.deduplications import DeduplicationCounts
from services.dataset.deduplications.meanings import Indices, Meanings, Vectors
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
WINDOW = 40 * TEXTS
"""Texts that are held at a time."""
EMBED_SECONDS = 660.0
"""Longer than a call waits for its turn at the provider."""

Digests = npt.NDArray[np.uint64]


class TextFile:
    """Texts in a file, in the order in which they come.

    Args:
        path: of the file, which is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")

    def add(self, text: str) -> None:
        """Write the beginning of a text."""
        self._file.write(orjson.dumps(text[:MOST_CHARACTERS]) + b"\n")

    def texts(self) -> Iterator[str]:
        """All texts that were written."""
        self._file.close()
        with self._path.open("rb") as lines:
            yield from map(orjson.loads, lines)


class TextEmbedder:
    """Has texts embedded by a provider of the generation room.

    Args:
        client: of the rooms.
        provider_id: who embeds.
    """

    def __init__(self, client: Client, provider_id: str) -> None:
        self._client = client
        self._provider_id = provider_id

    async def check(self, project_id: str) -> None:
        """Have a word embedded, to see that it can be done.

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
                "deduplication.options.embedding_provider_id",
            )
        await self._embed(["embedding"])

    async def embedded(
        self,
        texts: Iterator[str],
        digests: Digests,
        threshold: float,
        folder: Path,
        tell: Callable[[str], Awaitable[object]],
    ) -> tuple[Meanings | None, DeduplicationCounts]:
        """Embeddings of texts, and what they cost; nothing where no text says anything.

        Args:
            texts: one for each row, in their order.
            digests: equal for rows that say the same; one text of these is embedded.
            threshold: least cosine of two that mean the same.
            folder: for the vectors.
            tell: is told how far it is.
        """
        _, firsts, places = np.unique(digests, return_index=True, return_inverse=True)
        cost, vectors, done = DeduplicationCounts(), None, 0
        wanted = different(texts, firsts, places)
        while window := list(islice(wanted, WINDOW)):
            parts = [window[at : at + TEXTS] for at in range(0, len(window), TEXTS)]
            answers = await each_of(parts, lambda part: self._embed([text for _, text in part]), AT_ONCE)
            for part, answer in zip(parts, answers, strict=True):
                found = np.array([one.values for one in answer.embeddings], np.float16)
                if vectors is None:
                    vectors = made_file(folder / "vectors", (len(firsts), found.shape[1]))
                vectors[[place for place, _ in part]] = found
                cost = with_cost(cost, answer)
            done += len(window)
            await tell(f"{done} of at most {len(firsts)} texts embedded")
        return (None if vectors is None else Meanings(places, vectors, threshold)), cost

    async def _embed(self, texts: list[str]) -> pb.EmbedTextsResponse:
        request = pb.EmbedTextsRequest(provider_id=self._provider_id, texts=texts)
        return await self._client.embeddings.EmbedTexts(request, timeout=EMBED_SECONDS)


def different(texts: Iterator[str], firsts: Indices, places: Indices) -> Iterator[tuple[int, str]]:
    """The first text of each wording that says anything, with the place of its vector."""
    for row, text in enumerate(texts):
        place = int(places[row])
        if firsts[place] == row and text.strip():
            yield place, text


def made_file(path: Path, shape: tuple[int, int]) -> Vectors:
    """A file of vectors of nothing."""
    return np.memmap(path, np.float16, "w+", shape=shape)


def with_cost(cost: DeduplicationCounts, answer: pb.EmbedTextsResponse) -> DeduplicationCounts:
    """The cost with that of one answer."""
    return replace(
        cost,
        embedded=cost.embedded + len(answer.embeddings) - answer.remembered,
        embedding_tokens=cost.embedding_tokens + answer.tokens,
        embedding_cost=cost.embedding_cost + answer.cost,
        embedding_currency=answer.currency or cost.embedding_currency,
    )
