"""Lets what examples mean be compared with questions, while texts pass by in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from services.dataset.embedding import EmbeddingCost, TextEmbedder, Vectors
from services.dataset.leak_checks.finding import Guarded
from sishu.client import Client


@asynccontextmanager
async def comparing_meanings(
    client: Client, provider_id: str, least: float, guarded: Sequence[Guarded]
) -> AsyncIterator[Callable[[], EmbeddingCost]]:
    """Let guards find what means the same, if somebody is named who says what texts mean.

    Args:
        client: of the rooms.
        provider_id: who embeds; nothing is compared where it is empty.
        least: least cosine of two that mean the same.
        guarded: what texts are compared with; a guard finds what it means until the end of the context.

    Yields:
        What was spent so far.

    Raises:
        ApiError: what the generation room says.
    """
    if not provider_id:
        yield EmbeddingCost
        return
    vectors = Vectors(TextEmbedder(client, provider_id))
    try:
        for one in guarded:
            await asyncio.to_thread(one.guard.compare_meanings, vectors, least)
        yield lambda: vectors.cost
    finally:
        # A thread whose job was cancelled goes on for a while.
        vectors.close()
