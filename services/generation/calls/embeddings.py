"""Embeddings of texts, by OpenAI's protocol, through the same gate and connections as all other calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt
import openai

from services.generation.calls.endpoints import Endpoints
from services.generation.calls.gate import Gate
from services.generation.calls.llm import priced
from services.generation.calls.provider_errors import may_be_paid, provider_error
from services.generation.calls.replies import ErrorTold, Reply, Usage, count, error_told, mapping, with_usage
from services.generation.calls.transport import Transport, answer_of, kind_of
from services.generation.providers.providers import Endpoint, Provider
from services.runtime.errors import FailedPrecondition, SishuError

Vectors = npt.NDArray[np.float32]
"""One row a text."""

MOST_TEXTS = 10
"""Of one call; some services take no more."""
EMBED_SECONDS = 60.0
UNREADABLE = (ValueError, TypeError, KeyError)
ROOM_SECONDS = 15.0
NOT_THERE = frozenset({"PROVIDER_MODEL_NOT_FOUND", "PROVIDER_REFUSED", "PROVIDER_FAILED"})
"""Reasons that a server has which knows no embeddings."""


@dataclass(frozen=True)
class Embedded:
    """The embeddings of some texts.

    Args:
        vectors: one row a text.
        model: the model that was asked.
        usage: what the calls used.
        currency: in which they are paid; empty where there is no price.
    """

    vectors: Vectors
    model: str
    usage: Usage
    currency: str


class Embedder:
    """Asks for embeddings.

    Args:
        transport: has the connections.
        gate: lets calls begin.
        endpoints: finds where.
    """

    def __init__(self, transport: Transport, gate: Gate, endpoints: Endpoints) -> None:
        self._transport = transport
        self._gate = gate
        self._endpoints = endpoints

    async def check(self, provider: Provider) -> None:
        """Have one text embedded, to see that it can be done.

        Raises:
            FailedPrecondition: the server has no embeddings.
            SishuError: it cannot be reached, or refuses the key.
        """
        endpoint = (await self._endpoints.find(provider))[0]
        try:
            await self._gate.run_urgent(
                endpoint, partial(self._call, texts=["embedding"], found=[]), ROOM_SECONDS
            )
        except SishuError as error:
            if error.reason in NOT_THERE:
                raise without_embeddings(endpoint, error.message) from error
            raise

    async def embed(self, provider: Provider, texts: Sequence[str]) -> Embedded:
        """The embeddings of texts.

        Raises:
            SishuError: as calls of language models; it tells what those before it used as well.
        """
        endpoints = await self._endpoints.find(provider)
        found: list[Vectors] = []
        usage = Usage()
        for at in range(0, len(texts), MOST_TEXTS):
            call = partial(self._call, texts=texts[at : at + MOST_TEXTS], found=found)
            try:
                usage += (await self._gate.run(endpoints, call, stops=False)).usage
            except SishuError as error:
                raise with_usage(error, usage) from error.__cause__
        return Embedded(np.concatenate(found), endpoints[0].model, usage, currency_of(endpoints))

    async def currency(self, provider: Provider) -> str:
        """In which money embeddings are paid; empty where there is no price."""
        return currency_of(await self._endpoints.find(provider))

    async def _call(self, endpoint: Endpoint, texts: Sequence[str], found: list[Vectors]) -> Reply:
        """One call; what it brings is added to `found`."""
        started, answer = time.monotonic(), None
        body = {"model": endpoint.model, "input": list(texts)}
        limits = openai.Timeout(EMBED_SECONDS, connect=10.0)
        try:
            async with asyncio.timeout(EMBED_SECONDS), self._transport.client(endpoint) as client:
                response = await client.poster.post(body, limits, "/embeddings")
                async with aclosing(response):
                    answer = await answer_of(response, kind_of(response))
            vectors = read(answer, len(texts))
        except (openai.OpenAIError, httpx2.HTTPError, ErrorTold, *UNREADABLE, TimeoutError) as error:
            failure = provider_error(error, endpoint)
            if may_be_paid(error):
                with_usage(failure, priced(used_since(started, answer), endpoint))
            raise failure from error
        found.append(vectors)
        return Reply(text="", usage=priced(used_since(started, answer), endpoint), model=endpoint.model)


def currency_of(endpoints: Sequence[Endpoint]) -> str:
    """In which money calls are paid; empty where there is no price."""
    return next((one.price.currency for one in endpoints if one.price), "")


def used_since(started: float, answer: Any) -> Usage:
    """What a call used, as far as its answer tells."""
    usage = mapping(mapping(answer).get("usage"))
    tokens = count(usage.get("prompt_tokens")) or count(usage.get("total_tokens"))
    return Usage(tokens, 0, 1, time.monotonic() - started)


def read(answer: Any, texts: int) -> Vectors:
    """The vectors of an answer, in the order of their texts.

    Raises:
        ErrorTold: it tells of an error.
        ValueError, TypeError, KeyError: it holds none, or another number of them.
    """
    if told := mapping(answer).get("error"):
        raise error_told(told)
    rows = sorted(answer["data"], key=lambda row: row["index"])
    vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != texts or not np.isfinite(vectors).all():
        raise ValueError("no embedding for each text")
    return vectors


def without_embeddings(endpoint: Endpoint, told: str) -> FailedPrecondition:
    """The error for a server that has no embeddings."""
    return FailedPrecondition(
        "EMBEDDINGS_UNSUPPORTED",
        f"{endpoint.base_url} gives no embeddings of the model {endpoint.model}: {told}; name a provider of "
        "a model of embeddings, or leave embedding_provider_id out",
        "generation.options.gates.embedding_provider_id",
        base_url=endpoint.base_url,
        model=endpoint.model,
    )
