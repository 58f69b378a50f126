"""Unload models that nobody asks, and load them again for whoever does."""

from __future__ import annotations

import asyncio

import httpx

from services.inference.deployments import Deployment, not_ready
from services.inference.sharing import Seat
from services.inference.store import DeploymentStore
from services.inference.watching import watch
from services.runtime.db import DATABASE_AWAY

LONGEST_POLL_SECONDS = 10.0
HEALTH_SECONDS = 5.0


async def until_idle(store: DeploymentStore, deployment: Deployment, seat: Seat) -> None:
    """Wait until nobody has asked for as long as the deployment says, and note it; forever without such."""
    seconds = deployment.options.idle_seconds
    while seconds:
        await asyncio.sleep(min(seconds, LONGEST_POLL_SECONDS))
        try:
            # An answer may take longer than the wait for the next question.
            if await rests(seat) and await store.set_idle(deployment.id, seconds):
                return
        except (*DATABASE_AWAY, OSError, TimeoutError):
            continue
    await asyncio.Event().wait()


async def rests(seat: Seat) -> bool:
    """Whether an engine has nothing to do."""
    try:
        async with httpx.AsyncClient(timeout=HEALTH_SECONDS, trust_env=False) as http:
            state = (await http.get(seat.base_url.removesuffix("/v1") + "/health")).json()
    except (httpx.HTTPError, ValueError):
        return False
    return bool(state.get("active") == 0 and state.get("waiting") == 0)


class Waker:
    """Loads what was unloaded when somebody asks for it.

    Args:
        store: what is deployed.
        wake: tells whoever looks after the engines that what is wanted has changed.
        seconds: longest time that a load may take.
    """

    def __init__(self, store: DeploymentStore, wake: asyncio.Event, seconds: float) -> None:
        self._store = store
        self._wake = wake
        self._seconds = seconds

    async def awake(self, deployment: Deployment) -> Deployment:
        """The deployment, loaded again where it was unloaded; notes that it was asked.

        Raises:
            FailedPrecondition: it cannot be loaded, or not in time.
        """
        if deployment.loads_for_questions:
            deployment = await self._loaded(deployment)
        if deployment.options.idle_seconds:
            await self._store.touch(deployment.id)
        return deployment

    async def _loaded(self, deployment: Deployment) -> Deployment:
        await self._store.load_again(deployment.id)
        self._wake.set()
        try:
            async with asyncio.timeout(self._seconds):
                async for sight in watch(self._store, deployment.id):
                    deployment = sight
        except TimeoutError:
            raise not_ready(deployment) from None
        return deployment
