"""How one call is made: the SDK's clients, their connections and their limits of time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import openai
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai.types.chat import ChatCompletion

from services.generation.calls.provider_errors import provider_error
from services.generation.calls.replies import Reply, reply_of
from services.generation.providers import Endpoint

CONNECT_SECONDS = 10.0
LIST_SECONDS = 5.0
MOST_CLIENTS = 64
"""More endpoints than a process asks at once; those of restarted deployments and changed keys go."""
REFUSALS = (openai.BadRequestError, openai.UnprocessableEntityError)
"""What a server answers that does not take a request as it is."""


@dataclass
class Client:
    """The SDK's client of an endpoint, and how many calls it has in progress."""

    sdk: AsyncOpenAI
    calls: int = 0


class Transport:
    """The clients of all endpoints of a process.

    Args:
        seconds: longest time of one call, from request to whole answer.
        connect_seconds: longest time until a server takes the connection.
        most_clients: endpoints whose connections are kept while nobody uses them.
    """

    def __init__(
        self, seconds: float, connect_seconds: float = CONNECT_SECONDS, most_clients: int = MOST_CLIENTS
    ) -> None:
        self._seconds = seconds
        self._timeout = openai.Timeout(seconds, connect=min(seconds, connect_seconds))
        self._most_clients = most_clients
        self._clients: OrderedDict[Endpoint, Client] = OrderedDict()

    async def close(self) -> None:
        """Close every connection."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.sdk.close()

    async def models(self, endpoint: Endpoint) -> list[str]:
        """The models that a server lists; none where the list fails in whatever way, as many have none."""
        try:
            async with asyncio.timeout(LIST_SECONDS), self._client(endpoint) as sdk:
                listed = await sdk.models.list()
                return sorted({model.id for model in listed.data if isinstance(model.id, str)})
        except Exception:
            return []

    @asynccontextmanager
    async def _client(self, endpoint: Endpoint) -> AsyncIterator[AsyncOpenAI]:
        """The client of an endpoint, made at first use; of too many, those idle for longest are closed."""
        if endpoint not in self._clients:
            self._clients[endpoint] = Client(self._made(endpoint))
        client = self._clients[endpoint]
        self._clients.move_to_end(endpoint)
        client.calls += 1
        try:
            yield client.sdk
        finally:
            client.calls -= 1
            await self._shrink()

    def _made(self, endpoint: Endpoint) -> AsyncOpenAI:
        return AsyncOpenAI(
            base_url=endpoint.base_url,
            # The SDK refuses an empty key; a server that needs none ignores this one.
            api_key=endpoint.api_key or "none",
            max_retries=0,
            timeout=self._timeout,
            http_client=DefaultAioHttpClient(timeout=self._timeout),
        )

    async def _shrink(self) -> None:
        surplus = len(self._clients) - self._most_clients
        if surplus > 0:
            idle = [endpoint for endpoint, client in self._clients.items() if not client.calls]
            # All at once, before anybody else can look.
            popped = [self._clients.pop(endpoint) for endpoint in idle[:surplus]]
            for client in popped:
                await client.sdk.close()

    async def complete(
        self, endpoint: Endpoint, messages: Sequence[Mapping[str, str]], **parameters: Any
    ) -> Reply:
        """One call, whatever comes back.

        Raises:
            openai.BadRequestError, openai.UnprocessableEntityError: the server refuses the request.
            SishuError: what `provider_error` makes of any other failure.
        """
        body = {"model": endpoint.model, "messages": messages, **parameters}
        try:
            # The SDK's timeout begins anew with every byte, such as the blanks that keep a connection open.
            async with asyncio.timeout(self._seconds), self._client(endpoint) as sdk:
                # Not `chat.completions.create`: it walks the messages for types, at a third of a call's
                # CPU time.
                answer: object = await sdk.post("/chat/completions", cast_to=ChatCompletion, body=body)
        except REFUSALS:
            raise
        except (openai.OpenAIError, ValueError, TimeoutError) as error:
            raise provider_error(error, endpoint) from error
        # The SDK hands on what it cannot read, such as the page of a web server.
        if not isinstance(answer, ChatCompletion):
            raise provider_error(TypeError(), endpoint)
        return reply_of(answer)
