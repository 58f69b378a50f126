"""The one place where a gRPC server is assembled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection

from services.runtime.auth import TokenCheck
from services.runtime.errors import Unavailable
from services.runtime.interceptors import (
    AroundInterceptor,
    authenticated,
    logged,
    measured,
    translated,
    validated,
)
from services.runtime.metrics import RuntimeMetrics

DRAIN_SECONDS = 10.0

OPTIONS = [
    ("grpc.max_receive_message_length", 4 * 2**20),
    ("grpc.max_send_message_length", 16 * 2**20),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ("grpc.so_reuseport", 0),
]


@dataclass(frozen=True)
class Servicer:
    """A service to serve.

    Args:
        name: full name, such as `sishu.ingest.v1.ProjectService`.
        add: generated function that adds the servicer to a server.
        implementation: object with a method for each rpc.
    """

    name: str
    add: Callable[[Any, grpc.aio.Server], None]
    implementation: object


class Server:
    """A `grpc.aio` server with health, reflection and our interceptors.

    Args:
        servicers: the services.
        token: token that callers must show; empty for none.
        metrics: where calls are counted.
    """

    def __init__(self, servicers: Sequence[Servicer], token: str, metrics: RuntimeMetrics) -> None:
        arounds = (logged, measured(metrics), translated, authenticated(TokenCheck(token)), validated)
        self._server = grpc.aio.server(
            interceptors=[AroundInterceptor(around) for around in arounds], options=OPTIONS
        )
        self._names = [servicer.name for servicer in servicers]
        for servicer in servicers:
            servicer.add(servicer.implementation, self._server)
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [*self._names, "grpc.health.v1.Health", reflection.SERVICE_NAME], self._server
        )

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port.

        Raises:
            Unavailable: the address is taken or not ours.
        """
        try:
            chosen = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as error:
            raise Unavailable(
                "ADDRESS_UNAVAILABLE", f"cannot listen on {host}:{port}; another process may hold the port"
            ) from error
        await self._server.start()
        return chosen

    async def set_serving(self, serving: bool) -> None:
        """Tell health checks whether the room can do its work."""
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)

    async def drain(self) -> None:
        """Refuse new calls, let those in progress end, then stop."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(DRAIN_SECONDS)
