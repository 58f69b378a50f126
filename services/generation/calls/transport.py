"""How one call is made: the SDK's clients, their connections and their limits of time."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx2
import openai
from openai import AsyncOpenAI, DefaultAioHttpClient

from services.generation.calls.hiding import name_without_key, reply_without_key
from services.generation.calls.posting import Poster
from services.generation.calls.provider_errors import provider_error, words_of
from services.generation.calls.rate_headers import rate_headers
from services.generation.calls.replies import ErrorTold, Reply, WebPage, reply_of
from services.generation.calls.streams import Events, Gathered, StreamFailed
from services.generation.providers.providers import Endpoint

CONNECT_SECONDS = 10.0
LIST_SECONDS = 5.0
IDLE_SECONDS = 120.0
STREAM_SECONDS = 3600.0
LAST_WORDS_SECONDS = 5.0
"""How long a stream may go on once the model has ended: what the call used comes last, if at all."""
MOST_CLIENTS = 64
"""More endpoints than a process asks at once; those of restarted deployments and changed keys go."""
STREAM_WORDS = re.compile(
    r"\b(?:stream(?:s|ed|ing)?|stream_options|include_usage)\b|流式", re.IGNORECASE | re.ASCII
)
"""By which a server says that it is streams that it does not take, or nothing else."""
MOST_ANSWER_BYTES = 8 << 20
"""Longest answer that is sent whole; what is longer comes from no language model."""
REFUSALS = (openai.BadRequestError, openai.UnprocessableEntityError)
"""What a server answers that does not take a request as it is."""

Heard = Callable[[Endpoint, Mapping[str, str]], None]


@dataclass
class Client:
    """The SDK's client of an endpoint.

    Args:
        poster: sends by it.
        calls: calls in progress.
        whole: whether the server sends answers whole, as far as is known.
        streams: whether it sends them piece by piece.
        stream_usage: whether it takes the wish to be told at their end what was used.
    """

    sdk: AsyncOpenAI
    poster: Poster
    calls: int = 0
    whole: bool = True
    streams: bool = True
    stream_usage: bool = True


class Transport:
    """The clients of all endpoints of a process.

    Args:
        seconds: longest time of one call that is not streamed, from request to whole answer.
        idle_seconds: longest time of a streamed call until the first piece, and between two of them.
        stream_seconds: longest time of a streamed call.
        connect_seconds: longest time until a server takes the connection.
        most_clients: endpoints whose connections are kept while nobody uses them.
        heard: is told the headers of every answer that say how much may still be asked.
    """

    def __init__(
        self,
        seconds: float,
        idle_seconds: float = IDLE_SECONDS,
        *,
        stream_seconds: float = STREAM_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
        most_clients: int = MOST_CLIENTS,
        heard: Heard | None = None,
    ) -> None:
        self._seconds, self._idle_seconds, self._stream_seconds = seconds, idle_seconds, stream_seconds
        self._timeout = openai.Timeout(seconds, connect=min(seconds, connect_seconds))
        # Any byte begins the SDK's time anew; the time between two pieces is ours to watch.
        self._stream_timeout = openai.Timeout(None, connect=min(idle_seconds, connect_seconds))
        self._most_clients = most_clients
        self._heard = heard
        self._clients: OrderedDict[str, Client] = OrderedDict()

    async def close(self) -> None:
        """Close every connection."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.sdk.close()

    async def models(self, endpoint: Endpoint) -> list[str]:
        """The models that a server lists; none where the list fails in whatever way, as many have none."""
        try:
            async with asyncio.timeout(LIST_SECONDS), self.client(endpoint) as client:
                listed = await client.sdk.models.list()
                names = {model.id for model in listed.data if isinstance(model.id, str)}
                return sorted(name_without_key(name, endpoint) for name in names)
        except Exception:
            return []

    @asynccontextmanager
    async def client(self, endpoint: Endpoint) -> AsyncIterator[Client]:
        """The client of an endpoint, made at first use; of too many, those idle for longest are closed."""
        client = self._clients.get(endpoint.id)
        if client is None:
            client = self._clients[endpoint.id] = self._made(endpoint)
        self._clients.move_to_end(endpoint.id)
        client.calls += 1
        try:
            yield client
        finally:
            client.calls -= 1
            await self._shrink()

    def _made(self, endpoint: Endpoint) -> Client:
        async def tell(response: httpx2.Response) -> None:
            if self._heard and (found := rate_headers(response.headers.raw)):
                self._heard(endpoint, found)

        http = DefaultAioHttpClient(timeout=self._timeout, event_hooks={"response": [tell]})
        sdk = AsyncOpenAI(
            base_url=endpoint.base_url,
            # The SDK refuses an empty key; a server that needs none ignores this one.
            api_key=endpoint.api_key or "none",
            max_retries=0,
            timeout=self._timeout,
            http_client=http,
        )
        return Client(sdk, Poster(sdk, http))

    async def _shrink(self) -> None:
        surplus = len(self._clients) - self._most_clients
        if surplus > 0:
            idle = [name for name, client in self._clients.items() if not client.calls]
            # All at once, before anybody else can look.
            popped = [self._clients.pop(name) for name in idle[:surplus]]
            for client in popped:
                await client.sdk.close()

    async def complete(
        self,
        endpoint: Endpoint,
        messages: Sequence[Mapping[str, str]],
        parameters: Mapping[str, Any],
        *,
        stream: bool = False,
    ) -> Reply:
        """One call, whatever comes back.

        Args:
            endpoint: where to ask.
            messages: what to ask.
            parameters: what else is sent, such as sampling.
            stream: have the answer sent piece by piece, and limit the time between two of them, not that of
                the call; a server that cannot do so is asked without, and one that only can is asked so
                unless its provider is never to.

        Raises:
            openai.BadRequestError, openai.UnprocessableEntityError: the server refuses the request.
            SishuError: what `provider_error` makes of any other failure.
        """
        body = {"model": endpoint.model, "messages": messages, **parameters}
        started = time.monotonic()
        try:
            async with self.client(endpoint) as client:
                if stream or (not client.whole and endpoint.streaming == "auto"):
                    answer, begun = await self._streamed(client, body)
                else:
                    answer, begun = await self._unless_streamed(client, body, endpoint)
            reply = reply_of(answer, time.monotonic() - started, begun and begun - started)
            return reply_without_key(reply, endpoint)
        except REFUSALS:
            raise
        # The SDK and its transport hand on what they cannot read, such as the page of a web server.
        except (
            openai.OpenAIError,
            httpx2.HTTPError,
            aiohttp.ClientError,
            ErrorTold,
            StreamFailed,
            ValueError,
            TypeError,
            TimeoutError,
        ) as error:
            raise provider_error(error, endpoint) from error

    async def _unless_streamed(
        self, client: Client, body: Mapping[str, Any], endpoint: Endpoint
    ) -> tuple[Any, float]:
        """The answer, whole unless the server only streams, and when its first piece came."""
        try:
            return await self._whole(client, body)
        except REFUSALS as error:
            if endpoint.streaming != "auto" or not STREAM_WORDS.search(words_of(error)):
                raise
            answer = await self._streamed(client, body)
            # Known only now: what is wrong with a request may hold for its stream as well.
            client.whole = False
            return answer

    async def _whole(self, client: Client, body: Mapping[str, Any]) -> tuple[Any, float]:
        # The SDK's timeout begins anew with every byte, such as the blanks that keep a connection open.
        return await self._received(client, body, self._timeout, self._seconds)

    async def _streamed(self, client: Client, body: Mapping[str, Any]) -> tuple[Any, float]:
        """The answer, and when its first piece came; 0 where the server sent it whole."""
        while client.streams:
            extra: dict[str, Any] = {"stream": True}
            if client.stream_usage:
                extra["stream_options"] = {"include_usage": True}
            try:
                # A server that works on one call after another says nothing until it comes to this one.
                first = max(self._seconds, self._idle_seconds)
                return await self._received(client, {**body, **extra}, self._stream_timeout, first)
            except REFUSALS as error:
                if not STREAM_WORDS.search(words_of(error)):
                    raise
                # It is asked for less than by this call, at most twice: others may have been refused, too.
                if "stream_options" in extra:
                    client.stream_usage = False
                else:
                    client.streams = False
        return await self._whole(client, body)

    async def _received(
        self, client: Client, body: Mapping[str, Any], limits: openai.Timeout, seconds: float
    ) -> tuple[Any, float]:
        """The answer, and when its first piece came; some servers stream what they were not asked to."""
        gathered = Gathered()
        try:
            async with asyncio.timeout(self._stream_seconds), asyncio.timeout(seconds) as idle:
                response = await client.poster.post(body, limits)
                async with aclosing(response):
                    kind = kind_of(response)
                    if not is_stream(kind, asked=bool(body.get("stream"))):
                        return await answer_of(response, kind), 0.0
                    await self._gather(response, gathered, idle)
        except httpx2.TransportError as error:
            if not gathered.whole:
                raise StreamFailed from error
        except TimeoutError:
            if not gathered.whole:
                raise
        else:
            if not gathered.closed:
                raise StreamFailed
        return gathered.answer(), gathered.begun

    async def _gather(self, response: httpx2.Response, gathered: Gathered, idle: asyncio.Timeout) -> None:
        events, loop = Events(), asyncio.get_running_loop()
        # To the end of the body, so that the connection can be used again.
        async for portion in response.aiter_bytes():
            # Comments and empty pieces keep a connection open, and say nothing about the model.
            if gathered.take(events.of(portion)):
                seconds = LAST_WORDS_SECONDS if gathered.whole else self._idle_seconds
                idle.reschedule(loop.time() + seconds)
            if gathered.overlong:
                return
        gathered.take(events.end())


def kind_of(response: httpx2.Response) -> str:
    """The type of an answer, as far as the server names it."""
    return response.headers.get("content-type", "")


def is_stream(kind: str, *, asked: bool) -> bool:
    """Whether an answer of a type comes piece by piece; not all servers name that of what was asked for."""
    return "event-stream" in kind or (asked and "json" not in kind and "html" not in kind)


def portions_of(response: httpx2.Response) -> AsyncIterable[bytes]:
    """The body of an answer as it comes, without the layers that unpack it where it is not packed."""
    stream = response.stream
    if isinstance(stream, httpx2.AsyncByteStream) and "content-encoding" not in response.headers:
        return stream
    return response.aiter_bytes()


async def answer_of(response: httpx2.Response, kind: str) -> Any:
    """The decoded answer of a type that a server sends whole.

    Raises:
        ValueError: it is no JSON, or too long.
        WebPage: it is none of a model.
    """
    if "html" in kind:
        raise WebPage
    portions, size = [], 0
    async for portion in portions_of(response):
        portions.append(portion)
        size += len(portion)
        if size > MOST_ANSWER_BYTES:
            raise ValueError("the answer is too long")
    try:
        return json.loads(b"".join(portions))
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
