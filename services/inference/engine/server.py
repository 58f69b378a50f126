"""The HTTP server: OpenAI's paths over one scheduler."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from services.inference.engine.adapters import Adapter
from services.inference.engine.asking import Asked, Preparer, run
from services.inference.engine.completion import Delta
from services.inference.engine.config import EngineConfig
from services.inference.engine.http import (
    MAX_BODY_BYTES,
    Chunks,
    errors_as_json,
    key_check,
    last_deltas,
    stream,
)
from services.inference.engine.metrics import EngineMetrics
from services.inference.engine.model import Model
from services.inference.engine.protocol import AdapterRequest, ChatRequest, TextRequest, parse_request
from services.inference.engine.replies import ChatReply, TextReply, Usage
from services.inference.engine.scheduler import Scheduler
from services.runtime.errors import InvalidArgument, NotFound, Unavailable

log = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 5.0


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
    metrics = EngineMetrics()
    scheduler = Scheduler(model, config.max_batch, config.max_queue, metrics)
    application = Server(config, model, scheduler, metrics).application()
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

    def __init__(
        self, config: EngineConfig, model: Model, scheduler: Scheduler, metrics: EngineMetrics
    ) -> None:
        self._config = config
        self._model = model
        self._scheduler = scheduler
        self._preparer = Preparer(model)
        self._metrics = metrics
        metrics.watch(lambda: scheduler.active, lambda: scheduler.waiting, lambda: len(list(model.adapters)))

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        middlewares = [errors_as_json, *key_check(self._config.api_key_file)]
        application = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
        router = application.router
        router.add_get("/health", self._health)
        router.add_get("/metrics", self._show_metrics)
        router.add_get("/v1/models", self._models)
        router.add_get("/v1/models/{name:.+}", self._one_model)
        router.add_post("/v1/chat/completions", self._chat)
        router.add_post("/v1/completions", self._text)
        router.add_post("/v1/embeddings", self._embed)
        if self._config.runtime_adapters:
            router.add_post("/v1/load_lora_adapter", self._load_adapter)
            router.add_post("/v1/unload_lora_adapter", self._unload_adapter)
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

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _models(self, _: web.Request) -> web.Response:
        served = [None, *self._model.adapters]
        return web.json_response({"object": "list", "data": [self._card(each) for each in served]})

    async def _one_model(self, request: web.Request) -> web.Response:
        return web.json_response(self._card(self._find(request.match_info["name"])))

    def _card(self, adapter: Adapter | None) -> dict[str, Any]:
        renderer = adapter.renderer if adapter else self._model.renderer
        return {
            "id": adapter.name if adapter else self._config.name,
            "object": "model",
            "created": 0,
            "owned_by": "sishu",
            "parent": self._config.name if adapter else None,
            "max_model_len": self._model.context_length,
            "renderer_sha256": renderer.sha256,
        }

    def _find(self, name: str) -> Adapter | None:
        """The adapter of a name; None is the base.

        Raises:
            NotFound: the server has no such model.
        """
        adapter = self._model.adapters.find(name)
        if adapter is None and name != self._config.name:
            raise NotFound("MODEL_NOT_FOUND", f"This server has no model {name!r}.", "model")
        return adapter

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        chat = await asyncio.to_thread(parse_request, ChatRequest, await request.read())
        adapter = self._find(chat.model)
        # Rendering and compiling take milliseconds, long ones more; the loop serves others meanwhile.
        asked = await asyncio.to_thread(self._preparer.chat, chat, adapter, asyncio.get_running_loop())
        reply = ChatReply(chat.model, self._preparer.vocabulary)
        # Leaving this block in any way, a vanished client included, closes the iterator, which cancels.
        async with aclosing(self._run(asked)) as results:
            if not chat.stream:
                lasts = await last_deltas(results)
                return web.json_response(
                    reply.whole(asked.choices, lasts, Usage.of(asked.prompt_tokens, lasts))
                )
            chunks = Chunks(
                lambda index, delta: reply.chunk(asked.choices[index], delta),
                reply.usage_chunk if chat.includes_usage else None,
            )
            return await stream(request, results, chunks, asked.prompt_tokens)

    async def _text(self, request: web.Request) -> web.StreamResponse:
        text = await asyncio.to_thread(parse_request, TextRequest, await request.read())
        adapter = self._find(text.model)
        asked = await asyncio.to_thread(self._preparer.text, text, adapter, asyncio.get_running_loop())
        reply = TextReply(text.model, self._preparer.vocabulary)
        async with aclosing(self._run(asked)) as results:
            if not text.stream:
                lasts = await last_deltas(results)
                return web.json_response(
                    reply.whole(lasts, asked.echoes, Usage.of(asked.prompt_tokens, lasts))
                )
            echoes = dict(enumerate(asked.echoes))
            chunks = Chunks(
                lambda index, delta: reply.chunk(index, delta, echoes.pop(index, "")),
                reply.usage_chunk if text.includes_usage else None,
            )
            return await stream(request, results, chunks, asked.prompt_tokens)

    async def _embed(self, _: web.Request) -> web.Response:
        raise InvalidArgument(
            "EMBEDDINGS_UNSUPPORTED",
            f"The model {self._config.name!r} writes text; it was not trained to embed any. Ask a server "
            "of an embedding model.",
            "model",
        )

    async def _load_adapter(self, request: web.Request) -> web.Response:
        wanted = parse_request(AdapterRequest, await request.read())
        if wanted.lora_name == self._config.name:
            raise InvalidArgument("INVALID_VALUE", "lora_name: this is the base's name.", "lora_name")
        await asyncio.to_thread(self._model.adapters.load, wanted.lora_name, Path(wanted.lora_path))
        return web.Response(text=f"Success: LoRA adapter '{wanted.lora_name}' added successfully.")

    async def _unload_adapter(self, request: web.Request) -> web.Response:
        wanted = parse_request(AdapterRequest, await request.read())
        self._model.adapters.unload(wanted.lora_name)
        return web.Response(text=f"Success: LoRA adapter '{wanted.lora_name}' removed successfully.")

    def _run(self, asked: Asked) -> AsyncGenerator[tuple[int, Delta]]:
        return run(self._scheduler, asked, self._config.request_seconds)
