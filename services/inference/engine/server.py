"""The HTTP server: OpenAI's paths over one scheduler."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import tempfile
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from services.inference.engine.completion import Completion, Delta
from services.inference.engine.config import EngineConfig
from services.inference.engine.detokenizer import Detokenizer
from services.inference.engine.grammar import Grammars
from services.inference.engine.model import Model
from services.inference.engine.protocol import ChatRequest, Reply, parse_chat_request
from services.inference.engine.sampling import SamplingParams
from services.inference.engine.scheduler import Scheduler
from services.runtime.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    SishuError,
    Unavailable,
)

log = logging.getLogger(__name__)

_MAX_BODY_BYTES = 8 * 2**20
_SHUTDOWN_SECONDS = 5.0
_STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_TYPES = {429: "rate_limit_error", 400: "invalid_request_error", 404: "invalid_request_error"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(config: EngineConfig, model: Model) -> None:
    """Serve until SIGTERM or SIGINT; then fail what is in flight and end.

    Raises:
        Unavailable: the address cannot be bound.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with listening(config, model) as port:
        log.info("serving %s on %s:%d", config.name, config.host, port)
        if config.ready_file:
            _write_ready(config.ready_file, port)
        await stop.wait()


@asynccontextmanager
async def listening(config: EngineConfig, model: Model) -> AsyncIterator[int]:
    """Serve inside the block; yields the port.

    Raises:
        Unavailable: the address cannot be bound.
    """
    scheduler = Scheduler(model, config.max_batch, config.max_queue)
    application = Server(config, model, scheduler).application()
    # Without handler_cancellation aiohttp lets the handler of a vanished client run on.
    runner = web.AppRunner(
        application, handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
    )
    await runner.setup()
    scheduler.start()
    try:
        yield await _listen(runner, config)
    finally:
        await asyncio.to_thread(scheduler.stop)
        await runner.cleanup()


async def _listen(runner: web.AppRunner, config: EngineConfig) -> int:
    site = web.TCPSite(runner, config.host, config.port)
    try:
        await site.start()
    except OSError as error:
        raise Unavailable(
            "CANNOT_LISTEN", f"Cannot listen on {config.host}:{config.port}: {error}"
        ) from error
    port: int = runner.addresses[0][1]
    return port


def _write_ready(path: Path, port: int) -> None:
    """Write the file in one step: a reader sees nothing or all of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        json.dump({"port": port, "pid": os.getpid()}, file)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


class Server:
    """Translates HTTP requests to completions and back."""

    def __init__(self, config: EngineConfig, model: Model, scheduler: Scheduler) -> None:
        self._config = config
        self._model = model
        self._scheduler = scheduler
        self._grammars = Grammars(model.tokenizer, model.vocab_size, model.eos_ids)

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(middlewares=[_errors_as_json], client_max_size=_MAX_BODY_BYTES)
        application.router.add_get("/health", self._health)
        application.router.add_get("/v1/models", self._models)
        application.router.add_post("/v1/chat/completions", self._chat)
        return application

    async def _health(self, _: web.Request) -> web.Response:
        scheduler = self._scheduler
        state = {
            "status": "ok" if scheduler.alive else "stopped",
            "model": self._config.name,
            "active": scheduler.active,
            "waiting": scheduler.waiting,
            "max_batch": self._config.max_batch,
        }
        return web.json_response(state, status=200 if scheduler.alive else 503)

    async def _models(self, _: web.Request) -> web.Response:
        model = {
            "id": self._config.name,
            "object": "model",
            "created": 0,
            "owned_by": "sishu",
            "max_model_len": self._model.context_length,
            "renderer_sha256": self._model.renderer.sha256,
        }
        return web.json_response({"object": "list", "data": [model]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        chat = parse_chat_request(await request.read())
        if chat.model != self._config.name:
            raise NotFound("MODEL_NOT_FOUND", f"This server has no model {chat.model!r}.", "model")
        # Rendering and compiling take milliseconds, long ones more; the loop serves others meanwhile.
        completion, deltas = await asyncio.to_thread(self._prepare, chat, asyncio.get_running_loop())
        reply = Reply(self._config.name, len(completion.prompt))
        # Leaving this block in any way, a vanished client included, closes the iterator, which cancels.
        async with aclosing(self._run(completion, deltas)) as results:
            if not chat.stream:
                return web.json_response(reply.whole(await anext(results)))
            include_usage = bool(chat.stream_options and chat.stream_options.include_usage)
            return await _stream(request, reply, results, include_usage=include_usage)

    def _prepare(
        self, chat: ChatRequest, loop: asyncio.AbstractEventLoop
    ) -> tuple[Completion, asyncio.Queue[Delta]]:
        prompt = self._model.render([message.plain() for message in chat.messages])
        schema = chat.answer_schema()
        params = self._fitting(chat, len(prompt))
        # Bounded by the completion's own token budget.
        deltas: asyncio.Queue[Delta] = asyncio.Queue()
        completion = Completion(
            prompt=prompt,
            params=params,
            detokenizer=Detokenizer(self._model.tokenizer.backend_tokenizer, params.stop),
            emit=lambda delta: _put(loop, deltas, delta),
            grammar=None if schema is None else self._grammars.compile(schema),
            stream=bool(chat.stream),
        )
        return completion, deltas

    def _fitting(self, chat: ChatRequest, prompt_tokens: int) -> SamplingParams:
        """Return the sampling parameters; a length that the caller did not state shrinks to what is left."""
        params = chat.sampling()
        limit = self._model.context_length
        left = limit - prompt_tokens
        if left < (params.max_tokens if chat.states_length else 1):
            raise InvalidArgument(
                "CONTEXT_LENGTH_EXCEEDED",
                f"This model's maximum context length is {limit} tokens. You requested {params.max_tokens} "
                f"tokens of completion after {prompt_tokens} tokens of messages. Shorten one of them.",
                "messages",
            )
        return replace(params, max_tokens=min(params.max_tokens, left))

    async def _run(self, completion: Completion, deltas: asyncio.Queue[Delta]) -> AsyncGenerator[Delta]:
        """Yield what the scheduler emits, up to the last delta.

        Raises:
            SishuError: the scheduler's own error, or DeadlineExceeded.
        """
        self._scheduler.submit(completion)
        deadline = asyncio.get_running_loop().time() + self._config.request_seconds
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    delta = await deltas.get()
                if delta.error:
                    raise delta.error
                yield delta
                if delta.last:
                    return
        except TimeoutError as error:
            seconds = self._config.request_seconds
            raise DeadlineExceeded("TOO_SLOW", f"The answer took longer than {seconds:g} s.") from error
        finally:
            completion.cancelled = True


async def _stream(
    request: web.Request, reply: Reply, results: AsyncGenerator[Delta], *, include_usage: bool
) -> web.StreamResponse:
    """Send the pieces as server-sent events; an error after the headers becomes the last event."""
    first = await anext(results)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    try:
        delta = first
        await _send(response, reply.chunk(delta, first=True))
        async for delta in results:
            await _send(response, reply.chunk(delta, first=False))
        if include_usage:
            await _send(response, reply.usage_chunk(delta))
        await response.write(b"data: [DONE]\n\n")
    except SishuError as error:
        await _send(response, _error_body(error))
    await response.write_eof()
    return response


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")


def _put(loop: asyncio.AbstractEventLoop, deltas: asyncio.Queue[Delta], delta: Delta) -> None:
    # The loop may be gone when the engine stops; then nobody listens either.
    if not loop.is_closed():
        loop.call_soon_threadsafe(deltas.put_nowait, delta)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except SishuError as error:
        return _error_response(error, _STATUS.get(error.code, 500))
    except web.HTTPException as error:
        return _error_response(
            InvalidArgument("HTTP_ERROR", f"{error.reason}: {request.path}."), error.status
        )
    except ConnectionError:
        # The client went away while we wrote; there is nobody to answer.
        raise
    except Exception:
        error_id = uuid.uuid4().hex
        log.exception("request failed, error id %s", error_id)
        return _error_response(Internal("INTERNAL", f"The engine failed; error id {error_id}."), 500)


def _error_response(error: SishuError, status: int) -> web.Response:
    headers = {"Retry-After": "1"} if status == 429 else {}
    return web.json_response(_error_body(error, status), status=status, headers=headers)


def _error_body(error: SishuError, status: int = 500) -> dict[str, Any]:
    """Return OpenAI's error object (https://platform.openai.com/docs/guides/error-codes)."""
    return {
        "error": {
            "message": error.message,
            "type": _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": error.field or None,
            "code": error.reason.lower(),
        }
    }
