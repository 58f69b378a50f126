"""What the engine's HTTP answers share: errors as OpenAI writes them, keys, server-sent events."""

from __future__ import annotations

import hmac
import json
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from services.inference.engine.completion import Delta
from services.inference.engine.replies import Usage
from services.inference.openai_errors import REASONS, error_body, status_of
from services.runtime.errors import Internal, InvalidArgument, SishuError, Unauthenticated

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 8 * 2**20
"""Larger requests get 413."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Results = AsyncGenerator[tuple[int, Delta]]


@dataclass(frozen=True, slots=True)
class Chunks:
    """How a stream is written: what each delta becomes, if anything, and the usage at its end, if wanted."""

    of: Callable[[int, Delta], dict[str, Any] | None]
    usage: Callable[[Usage], dict[str, Any]] | None


async def last_deltas(results: Results) -> list[Delta]:
    """The last delta of each answer, in order; answers that are not streamed have no other."""
    found = {index: delta async for index, delta in results}
    return [found[index] for index in sorted(found)]


async def stream(
    request: web.Request, results: Results, chunks: Chunks, prompt_tokens: int
) -> web.StreamResponse:
    """Send the pieces as server-sent events; an error after the headers becomes the last event."""
    first = await anext(results)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    lasts: list[Delta] = []
    try:
        await _tell(response, chunks, first, lasts)
        async for each in results:
            await _tell(response, chunks, each, lasts)
        if chunks.usage:
            await _send(response, chunks.usage(Usage.of(prompt_tokens, lasts)))
        await response.write(b"data: [DONE]\n\n")
    except SishuError as error:
        await _send(response, error_body(error))
    await response.write_eof()
    return response


async def _tell(
    response: web.StreamResponse, chunks: Chunks, each: tuple[int, Delta], lasts: list[Delta]
) -> None:
    index, delta = each
    event = chunks.of(index, delta)
    if event is not None:
        await _send(response, event)
    if delta.last:
        lasts.append(delta)


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into OpenAI's error object."""
    try:
        return await handler(request)
    except SishuError as error:
        return _error_response(error, status_of(error))
    except web.HTTPException as error:
        reason = REASONS.get(error.status, "HTTP_ERROR")
        return _error_response(InvalidArgument(reason, f"{error.reason}: {request.path}."), error.status)
    except ConnectionError:
        # The client went away while we wrote; there is nobody to answer.
        raise
    except Exception:
        error_id = uuid.uuid4().hex
        log.exception("request failed, error id %s", error_id)
        return _error_response(Internal("INTERNAL", f"The engine failed; error id {error_id}."), 500)


def key_check(file: Path | None) -> list[Any]:
    """The middleware that asks for the key in a file; none where there is no file."""
    if file is None:
        return []
    key = file.read_text(encoding="utf-8").strip().encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if request.path.startswith("/v1/") and not hmac.compare_digest(given, key):
            raise Unauthenticated("INVALID_API_KEY", "The API key is missing or wrong.")
        return await handler(request)

    return [check]


def _error_response(error: SishuError, status: int) -> web.Response:
    headers = {"Retry-After": "1"} if status == 429 else {}
    return web.json_response(error_body(error, status), status=status, headers=headers)
