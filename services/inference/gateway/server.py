"""The OpenAI HTTP address of the room: checks the token, finds the deployment, hands bytes through."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import structlog
from aiohttp import web

from services.inference.config import InferenceConfig
from services.inference.deployments import Deployment, not_ready
from services.inference.gateway.routing import card, find, names_of
from services.inference.metrics import InferenceMetrics
from services.inference.openai_errors import REASONS, error_body, status_of
from services.inference.resting import Waker
from services.inference.store import DeploymentStore
from services.runtime.auth import read_token
from services.runtime.config import RuntimeConfig
from services.runtime.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    SishuError,
    Unauthenticated,
    Unavailable,
)
from services.runtime.faults import as_sishu_error

MAX_BODY_BYTES = 8 << 20
"""Larger requests get 413."""
BLOCK = 1 << 16
CONNECT_SECONDS = 10.0
PATHS = ("/chat/completions", "/completions", "/embeddings")
KEPT = ("Content-Type", "Cache-Control", "Retry-After")
"""Headers of an engine's answer that the client gets."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()


class Gateway:
    """OpenAI's paths over all deployments that are READY.

    Args:
        store: what is deployed.
        waker: loads what was unloaded.
        metrics: where requests are counted.
        runtime: address, and file of the token that callers must bear.
        config: port, and longest time that an answer may take.
    """

    def __init__(
        self,
        store: DeploymentStore,
        waker: Waker,
        metrics: InferenceMetrics,
        runtime: RuntimeConfig,
        config: InferenceConfig,
    ) -> None:
        self._store = store
        self._waker = waker
        self._metrics = metrics
        token = read_token(runtime.token_file, runtime.host)
        self._digest = hashlib.sha256(token.encode()).digest() if token else b""
        self._host, self._port = runtime.host, config.openai_port
        self._timeout = aiohttp.ClientTimeout(total=config.answer_seconds, sock_connect=CONNECT_SECONDS)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop.

        Raises:
            Unavailable: the address is taken or not ours.
        """
        # Without handler_cancellation the handler of a client that went away would run on.
        runner = web.AppRunner(
            self.application(), handler_cancellation=True, access_log=None, handle_signals=False
        )
        await runner.setup()
        try:
            await self._listen(runner)
            await stop.wait()
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            raise Unavailable(
                "ADDRESS_UNAVAILABLE",
                f"cannot listen on {self._host}:{self._port}; another process may hold the port; "
                "set SISHU_INFERENCE_OPENAI_PORT",
            ) from error
        log.info("openai_listening", host=self._host, port=runner.addresses[0][1])

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(
            middlewares=[errors_as_json, self._check], client_max_size=MAX_BODY_BYTES
        )
        application.cleanup_ctx.append(self._session)
        application.router.add_get("/v1/models", self._models)
        application.router.add_get("/v1/models/{name:.+}", self._model)
        for path in PATHS:
            application.router.add_post(f"/v1{path}", self._forward)
        return application

    async def _session(self, _: web.Application) -> Any:
        # Engines are on this machine, so a proxy from the environment is none for them.
        self._http = aiohttp.ClientSession(timeout=self._timeout, trust_env=False, auto_decompress=False)
        yield
        await self._http.close()

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        # Digests have one length, so the comparison tells nothing about the token's.
        if self._digest and not hmac.compare_digest(hashlib.sha256(shown).digest(), self._digest):
            raise Unauthenticated(
                "INVALID_API_KEY", "The API key is missing or wrong; it is the service's token."
            )
        return await handler(request)

    async def _models(self, _: web.Request) -> web.Response:
        names = names_of(await self._store.all())
        return web.json_response({"object": "list", "data": [card(*each) for each in names.items()]})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response(card(name, find(await self._store.all(), name)))

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        body = await asyncio.to_thread(read_body, await request.read())
        deployment = await self._waker.awake(find(await self._store.all(), body["model"]))
        if deployment.state != "ready":
            raise Unavailable("DEPLOYMENT_NOT_READY", not_ready(deployment).message)
        body["model"] = deployment.served_model_name
        outcome = "cancelled"
        try:
            response = await self._passed_through(request, deployment, body)
            outcome = "done" if response.status < 500 else "failed"
        except SishuError:
            outcome = "failed"
            raise
        finally:
            self._metrics.chat_requests.labels(outcome).inc()
        return response

    async def _passed_through(
        self, request: web.Request, deployment: Deployment, body: dict[str, Any]
    ) -> web.StreamResponse:
        url = deployment.base_url + request.path.removeprefix("/v1")
        response: web.StreamResponse | None = None
        try:
            async with self._http.post(url, json=body) as answer:
                response = web.StreamResponse(status=answer.status)
                response.headers.update(
                    {name: answer.headers[name] for name in KEPT if name in answer.headers}
                )
                await response.prepare(request)
                async for block in answer.content.iter_chunked(BLOCK):
                    await response.write(block)
                await response.write_eof()
                return response
        except TimeoutError as error:
            raised: SishuError = DeadlineExceeded(
                "TOO_SLOW", "The answer took too long; ask for fewer tokens."
            )
            raised.__cause__ = error
        except aiohttp.ClientError as error:
            raised = Unavailable(
                "ENGINE_LOST", "The engine ended before the answer did; it is being started again. Ask again."
            )
            raised.__cause__ = error
        if response is None:
            raise raised
        # The status has gone out already: the error is the stream's last event, as the engine itself has it.
        await response.write(b"data: " + json.dumps(error_body(raised, 503)).encode() + b"\n\n")
        await response.write_eof()
        return response


def read_body(raw: bytes) -> dict[str, Any]:
    """A request's body, which must name a model.

    Raises:
        InvalidArgument: it is no JSON object, or names none.
    """
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise InvalidArgument("INVALID_JSON", f"The request is no JSON: {error}.") from error
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise InvalidArgument("INVALID_VALUE", "model: a request is an object that names its model.", "model")
    return body


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into OpenAI's error object."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        reason = REASONS.get(error.status, "HTTP_ERROR")
        found: SishuError = NotFound(reason, f"{error.reason}: {request.path}.")
        status = error.status
    except ConnectionError:
        # The client went away while we wrote; there is nobody to answer.
        raise
    except Exception as error:
        found = error if isinstance(error, SishuError) else as_sishu_error(error)
        status = status_of(found)
        if isinstance(found, Internal):
            log.exception("openai_request_failed", path=request.path)
    return web.json_response(error_body(found, status), status=status)
