"""Keep one deployment's engine running for as long as it is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from services.inference.deployments import (
    ENDED,
    MOST_FAILED_STARTS,
    Deployment,
    Verdict,
    delay_seconds,
    verdict,
)
from services.inference.loading import Loader
from services.inference.metrics import InferenceMetrics
from services.inference.resting import until_idle
from services.inference.sharing import Seat, Seats
from services.inference.store import DeploymentStore
from services.runtime.db import DATABASE_AWAY
from services.runtime.errors import SishuError
from services.runtime.failures import Failure
from services.runtime.faults import as_sishu_error

STABLE_SECONDS = 60.0
"""An engine that lived this long starts with a clean slate when it ends."""

DATABASE_POLL_SECONDS = 1.0

log = structlog.get_logger()


class Supervisor:
    """Starts engines, and starts them again when they end.

    Args:
        store: where states are noted.
        loader: finds the folders of models.
        seats: finds engines for deployments.
        metrics: where starts are counted.
    """

    def __init__(
        self, store: DeploymentStore, loader: Loader, seats: Seats, metrics: InferenceMetrics
    ) -> None:
        self._store = store
        self._loader = loader
        self._seats = seats
        self._metrics = metrics

    async def forget_others(self, wanted: Collection[Deployment]) -> None:
        """Delete the logs and fetched files of all deployments but these."""
        await asyncio.to_thread(self._seats.forget_others, {deployment.id for deployment in wanted})
        await asyncio.to_thread(self._loader.forget_others, {deployment.model_id for deployment in wanted})

    async def keep(self, deployment: Deployment) -> None:
        """Keep a deployment loaded until cancelled; end when it cannot be loaded, after noting why."""
        with structlog.contextvars.bound_contextvars(deployment_id=deployment.id):
            crashes = 0
            while engine := await self._start_patiently(deployment):
                lived = await self._watch(deployment, engine)
                if lived is None:
                    return
                crashes = crashes + 1 if lived < STABLE_SECONDS else 1
                await self._note(lambda: self._store.set_loading_again(deployment.id))
                await asyncio.sleep(delay_seconds(crashes))

    async def _start_patiently(self, deployment: Deployment) -> Seat | None:
        """Start the engine, with as many tries as the errors deserve; nothing when it cannot be loaded."""
        failures = 0
        while True:
            try:
                folders = await self._loader.prepare(deployment.model_id)
                engine = await self._seats.start(deployment, folders)
            except Exception as raised:
                error = as_sishu_error(raised)
            else:
                self._metrics.loads.labels("ready").inc()
                return engine
            self._metrics.loads.labels("failed").inc()
            found = verdict(error)
            failures += found is Verdict.RETRY
            if found is Verdict.GIVE_UP or failures >= MOST_FAILED_STARTS:
                await self._give_up(deployment, error)
                return None
            log.warning("engine_start_failed", reason=error.reason, error=error.message)
            if error.reason in ENDED:
                await self._note(lambda: self._store.set_loading_again(deployment.id))
            await asyncio.sleep(delay_seconds(failures))

    async def _watch(self, deployment: Deployment, engine: Seat) -> float | None:
        """Say that the engine answers, and wait until it ends; return how many seconds it lived.

        Nothing is returned where it was ended because nobody asked it.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            log.info("engine_ready", pid=engine.pid, base_url=engine.base_url)
            await self._note(lambda: self._store.set_ready(deployment.id, engine.base_url, engine.model_name))
            if not await self._ended_by_itself(deployment, engine):
                log.info("deployment_idle", pid=engine.pid)
                return None
        finally:
            # Also what the engine started must end, before the next one wants its memory.
            await engine.stop()
        return loop.time() - started

    async def _ended_by_itself(self, deployment: Deployment, engine: Seat) -> bool:
        """Whether the engine ended, rather than nobody asking it for long."""
        ending = asyncio.create_task(engine.wait())
        idling = asyncio.create_task(until_idle(self._store, deployment, engine))
        try:
            await asyncio.wait({ending, idling}, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                log.warning("engine_ended", pid=engine.pid, exit_code=ending.result())
            elif idling.done():
                idling.result()
            return ending.done()
        finally:
            for task in (ending, idling):
                task.cancel()
            await asyncio.gather(ending, idling, return_exceptions=True)

    async def _give_up(self, deployment: Deployment, error: SishuError) -> None:
        log.error("deployment_failed", reason=error.reason, error=error.message)
        await self._note(lambda: self._store.set_failed(deployment.id, Failure.of(error)))

    async def _note(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write a state; a database that is away is waited for, the engine lives on meanwhile."""
        while True:
            try:
                await write()
            except (*DATABASE_AWAY, OSError, TimeoutError) as error:
                log.warning("database_away", error=str(error))
                await asyncio.sleep(DATABASE_POLL_SECONDS)
            else:
                return
