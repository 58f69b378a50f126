"""Follow a deployment until it answers, or cannot be loaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from services.inference.deployments import Deployment
from services.inference.store import DeploymentStore

WATCH_SECONDS = 0.25


async def watch(store: DeploymentStore, deployment_id: str) -> AsyncIterator[Deployment]:
    """The deployment at once, then after each change, until it settles; the caller's deadline ends the wait.

    Raises:
        NotFound: there is no such deployment, or no more.
    """
    seen: Deployment | None = None
    while seen is None or not seen.settled:
        deployment = await store.get(deployment_id)
        if deployment != seen:
            yield deployment
            seen = deployment
        else:
            await asyncio.sleep(WATCH_SECONDS)
