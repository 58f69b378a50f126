"""The side port: `/metrics` for Prometheus, `/livez` and `/readyz` for probes; plain HTTP, no secrets."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from services.runtime.errors import Unavailable

REQUEST_SECONDS = 10.0


class SidePort:
    """A small HTTP server beside the gRPC server, in the same event loop: a stuck loop does not answer.

    Args:
        registry: what `/metrics` shows.
        ready: whether the room can do its work now.
    """

    def __init__(self, registry: CollectorRegistry, ready: Callable[[], bool]) -> None:
        self._registry = registry
        self._ready = ready
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/livez", self._live),
                web.get("/readyz", self._readiness),
            ]
        )
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, keepalive_timeout=REQUEST_SECONDS
        )

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port.

        Raises:
            Unavailable: the address is taken or not ours.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, shutdown_timeout=1)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise Unavailable(
                "ADDRESS_UNAVAILABLE", f"cannot listen on {host}:{port}; another process may hold the port"
            ) from error
        chosen: int = self._runner.addresses[0][1]
        return chosen

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def _readiness(self, _: web.Request) -> web.Response:
        if self._ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready\n")
