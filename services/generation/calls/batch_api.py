"""A server's files and batches: calls that are handed in as a file, and answered as one within a day.

The protocol is OpenAI's (https://platform.openai.com/docs/guides/batch), which others have taken over.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import openai
from openai import AsyncOpenAI

from services.generation.calls.hiding import without_key
from services.generation.calls.provider_errors import provider_error, words_of
from services.generation.calls.replies import string
from services.generation.calls.transport import Transport
from services.generation.providers.providers import Endpoint
from services.runtime.errors import FailedPrecondition, SishuError

TALK_SECONDS = 60.0
FILE_SECONDS = 1800.0
MOST_PAGES = 20
"""Of a list, the newest first: what was begun in the last minutes is on the first."""
LONGEST_LINE = 32 << 20
URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
Take = Callable[[Sequence[Any]], Awaitable[None]]
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
NOT_IMPLEMENTED = 501
CONTENT_TOO_LARGE = 413
TOO_MANY_CALLS = 429
BATCH_TOO_LARGE = "BATCH_TOO_LARGE"
TOO_LARGE = re.compile(
    r"token_limit_exceeded|too_many_|too (large|big|many)|larger than|smaller batch|exceed|surpass"
)
"""In servers' words: a batch has more calls, bytes or tokens than they take."""
CROWDED = re.compile(r"token_limit_exceeded|enqueued")
"""That it is too large beside those which are in work."""


@dataclass(frozen=True)
class RemoteBatch:
    """A batch as the server tells of it.

    Args:
        status: one of OpenAI's words.
        file_ids: files with answers and with errors, as far as they are there.
        reason: why it failed; empty where the server does not say.
    """

    status: str
    file_ids: tuple[str, ...] = ()
    reason: str = ""

    @property
    def too_large(self) -> bool:
        """Whether it was refused for its size."""
        return self.status == "failed" and is_too_large(self.reason)

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more."""
        return self.status in ENDED


class BatchApi:
    """Files and batches of servers.

    Args:
        transport: has the clients.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def upload(self, endpoint: Endpoint, name: str, portions: AsyncIterator[bytes]) -> str:
        """Upload a file, or find it where that was done before; its id.

        Raises:
            SishuError: as all methods: what `provider_error` makes of a failure, or `BATCH_TOO_LARGE`.
        """
        known = await self.find_file(endpoint, name)
        if known:
            return known
        async with self._talk(endpoint, FILE_SECONDS) as sdk:
            return await sent(sdk, name, portions)

    async def find_file(self, endpoint: Endpoint, name: str) -> str:
        """The id of a file; empty where it was not uploaded."""
        async with self._talk(endpoint) as sdk:
            files = sdk.files.list(purpose="batch", order="desc", limit=100)
            return await found(files, lambda one: getattr(one, "filename", None) == name)

    async def submit(self, endpoint: Endpoint, file_id: str, mark: str) -> str:
        """Hand in an uploaded file as a batch, or find it where that was done before; its id.

        Args:
            endpoint: where.
            file_id: the file.
            mark: what the batch bears, for people who look at the server's list.
        """
        known = await self.find(endpoint, file_id)
        if known:
            return known
        async with self._talk(endpoint) as sdk:
            made = await sdk.batches.create(
                input_file_id=file_id,
                endpoint=URL,
                completion_window="24h",
                metadata={"sishu_batch": mark},
            )
            return id_of(made)

    async def find(self, endpoint: Endpoint, file_id: str) -> str:
        """The id of the batch of a file; empty where it was not handed in."""
        async with self._talk(endpoint) as sdk:
            batches = sdk.batches.list(limit=100)
            return await found(batches, lambda one: getattr(one, "input_file_id", None) == file_id)

    async def look(self, endpoint: Endpoint, remote_id: str) -> RemoteBatch:
        """See how far a batch is."""
        async with self._talk(endpoint) as sdk:
            batch: Any = await sdk.batches.retrieve(remote_id)
            files = (string(getattr(batch, name, "")) for name in ("output_file_id", "error_file_id"))
            errors = getattr(getattr(batch, "errors", None), "data", None) or [None]
            told = (string(getattr(errors[0], name, "")) for name in ("code", "message"))
            return RemoteBatch(
                # A server that says something else than a batch says nothing.
                string(getattr(batch, "status", "")),
                tuple(filter(None, files)),
                without_key(": ".join(filter(None, told)), endpoint),
            )

    async def cancel(self, endpoint: Endpoint, remote_id: str) -> None:
        """Have a batch end; what it answered until then can be read."""
        async with self._talk(endpoint) as sdk:
            await sdk.batches.cancel(remote_id)

    async def read(self, endpoint: Endpoint, file_id: str, take: Take) -> None:
        """Read a file line by line; what is no JSON is left out.

        Args:
            endpoint: where.
            file_id: the file.
            take: is given the decoded lines, some at a time.
        """
        rest = b""
        async with (
            self._talk(endpoint, FILE_SECONDS) as sdk,
            sdk.files.with_streaming_response.content(file_id) as response,
        ):
            async for portion in response.iter_bytes():
                *lines, rest = (rest + portion).split(b"\n")
                if len(rest) > LONGEST_LINE:
                    raise ValueError("a line of a file of answers has no end")
                await take(decoded(lines))
            await take(decoded([rest]))

    async def delete_file(self, endpoint: Endpoint, file_id: str) -> None:
        """Delete a file."""
        async with self._talk(endpoint) as sdk:
            await sdk.files.delete(file_id)

    @asynccontextmanager
    async def _talk(self, endpoint: Endpoint, seconds: float = TALK_SECONDS) -> AsyncIterator[AsyncOpenAI]:
        try:
            async with asyncio.timeout(seconds), self._transport.client(endpoint) as client:
                yield client.sdk
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, TypeError, TimeoutError) as error:
            if isinstance(error, openai.APIStatusError) and error.status_code == NOT_IMPLEMENTED:
                raise FailedPrecondition(
                    "PROVIDER_REFUSED", f"{endpoint.base_url} has no batches", base_url=endpoint.base_url
                ) from error
            told = too_large_error(error, endpoint)
            if told:
                raise told from error
            raise provider_error(error, endpoint) from error


def is_too_large(reason: str) -> bool:
    """Whether a server says that a batch is too large."""
    return bool(TOO_LARGE.search(reason.lower()))


def is_crowded(reason: str) -> bool:
    """Whether a server says that a batch is too large beside others in work."""
    return bool(CROWDED.search(reason.lower()))


def too_large_error(error: Exception, endpoint: Endpoint) -> SishuError | None:
    """The error of a batch that a server refuses for its size; nothing for another failure."""
    if not isinstance(error, openai.APIStatusError):
        return None
    told = f"{error.code or ''}: {words_of(error)}"
    refused = error.status_code < 500 and (error.status_code != TOO_MANY_CALLS or is_crowded(told))
    if error.status_code != CONTENT_TOO_LARGE and not (refused and is_too_large(told)):
        return None
    message = f"{endpoint.base_url} finds a batch too large: {without_key(told, endpoint)[:300]}"
    return FailedPrecondition(BATCH_TOO_LARGE, message, base_url=endpoint.base_url)


def decoded(lines: Iterable[bytes]) -> list[Any]:
    """What stands in lines of JSON."""
    values = []
    for line in lines:
        with suppress(ValueError, RecursionError):
            values.append(json.loads(line))
    return values


async def sent(sdk: AsyncOpenAI, name: str, portions: AsyncIterator[bytes]) -> str:
    """Upload a file, by way of the disk, so that it need not be in memory; its id."""
    with tempfile.TemporaryFile() as file:
        async for portion in portions:
            await asyncio.to_thread(file.write, portion)
        await asyncio.to_thread(file.seek, 0)
        made = await sdk.files.create(file=(name, file, "application/jsonl"), purpose="batch")
    return id_of(made)


async def found(listed: Any, fits: Any) -> str:
    """The id of what fits on the first pages of a list; empty where nothing does, or there is no list."""
    try:
        page = await listed
        for _ in range(MOST_PAGES):
            for one in page.data or ():
                if fits(one):
                    return id_of(one)
            if not page.has_next_page():
                break
            page = await page.get_next_page()
    except (openai.BadRequestError, openai.NotFoundError, openai.UnprocessableEntityError, AttributeError):
        # Not every server lists what it has.
        return ""
    return ""


def id_of(made: Any) -> str:
    """The id of what a server made.

    Raises:
        TypeError: it says none, so it is no such server.
    """
    name = string(getattr(made, "id", ""))
    if not name:
        raise TypeError("the answer has no id")
    return name
