"""Make the engines that run be the deployments that are wanted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import structlog

from services.inference.deployments import Deployment
from services.inference.metrics import InferenceMetrics
from services.inference.store import DeploymentStore
from services.inference.supervisor import Supervisor
from services.inference.upstream import Upstream
from services.runtime.db import DATABASE_AWAY, Connection
from services.runtime.failures import Failure
from services.runtime.faults import as_sishu_error

POLL_SECONDS = 1.0
DRAIN_SECONDS = 10.0
FOLLOW_SECONDS = 20.0
RESTING = frozenset({"failed", "idle"})
"""States in which a deployment has no engine until somebody asks for it."""

log = structlog.get_logger()


class Reconciler:
    """Runs one supervisor for each wanted deployment, in one process of the room at a time.

    Args:
        store: what is wanted.
        supervisor: keeps engines running.
        upstream: whose answers are let end before engines are stopped.
        metrics: where states are counted.
        wake: set by whoever changed what is wanted.
    """

    def __init__(
        self,
        store: DeploymentStore,
        supervisor: Supervisor,
        upstream: Upstream,
        metrics: InferenceMetrics,
        wake: asyncio.Event,
    ) -> None:
        self._store = store
        self._supervisor = supervisor
        self._upstream = upstream
        self._metrics = metrics
        self._wake = wake
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._led = 0.0
        self._known: frozenset[str] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; then stop every engine."""
        try:
            while not stop.is_set():
                try:
                    await self._lead(stop)
                except (*DATABASE_AWAY, OSError, TimeoutError) as error:
                    log.warning("database_away", error=str(error))
                await self._pause(stop)
        finally:
            await self._upstream.idle(DRAIN_SECONDS)
            await self._stop_all()

    async def _lead(self, stop: asyncio.Event) -> None:
        """Look after the engines while this process is the one that may."""
        async with self._store.pool.acquire() as connection:
            if not await self._store.lead(connection):
                await self._follow()
                return
            try:
                if not self._tasks:
                    await self._store.load_all_again(connection)
                while not stop.is_set():
                    await self._reconcile(connection)
                    self._led = time.monotonic()
                    await self._pause(stop)
            finally:
                # Back in the pool the session would go on holding the lock, against ourselves too.
                connection.terminate()

    async def _follow(self) -> None:
        """Leave the engines to another process.

        The other may be ourselves: Postgres can take a while to notice that a session of ours is gone.
        """
        if self._tasks and time.monotonic() > self._led + FOLLOW_SECONDS:
            log.warning("lead_lost")
            await self._stop_all()

    async def _reconcile(self, connection: Connection) -> None:
        # Before the rows are read: what ends later has not told its row yet.
        await self._clear_ended()
        wanted = {deployment.id: deployment for deployment in await self._store.wanted(connection)}
        self._metrics.set_deployments(deployment.state for deployment in wanted.values())
        await self._stop_unwanted(frozenset(wanted))
        await self._forget_unwanted(wanted)
        for deployment in wanted.values():
            if deployment.id not in self._tasks and deployment.state not in RESTING:
                self._start(deployment)

    def _start(self, deployment: Deployment) -> None:
        task = asyncio.create_task(self._supervisor.keep(deployment), name=f"keep {deployment.id}")
        task.add_done_callback(lambda _: self._wake.set())
        self._tasks[deployment.id] = task

    async def _clear_ended(self) -> None:
        """Forget supervisors that have ended; a defect of ours makes its deployment a failed one."""
        for deployment_id, task in list(self._tasks.items()):
            if not task.done():
                continue
            error = task.exception()
            if error:
                await self._store.set_failed(deployment_id, Failure.of(as_sishu_error(error)))
            del self._tasks[deployment_id]

    async def _stop_unwanted(self, wanted: frozenset[str]) -> None:
        unwanted = self._tasks.keys() - wanted
        await self._end({deployment_id: self._tasks.pop(deployment_id) for deployment_id in unwanted})

    async def _forget_unwanted(self, wanted: Mapping[str, Deployment]) -> None:
        if frozenset(wanted) != self._known:
            await self._supervisor.forget_others(wanted.values())
            self._known = frozenset(wanted)

    async def _stop_all(self) -> None:
        await self._end(self._tasks)
        self._tasks = {}

    async def _end(self, tasks: dict[str, asyncio.Task[None]]) -> None:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for deployment_id in tasks:
            log.info("deployment_unloaded", deployment_id=deployment_id)

    async def _pause(self, stop: asyncio.Event) -> None:
        """Wait until something changed, at most a second."""
        waits = [asyncio.create_task(event.wait()) for event in (stop, self._wake)]
        await asyncio.wait(waits, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        self._wake.clear()
