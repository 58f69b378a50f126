"""Find where a provider's model answers now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from services.generation.providers.keys import Keys
from services.generation.providers.providers import Endpoint, Provider
from services.runtime.errors import FailedPrecondition, InvalidArgument, SishuError, Unavailable
from services.runtime.faults import RETRYABLE, as_sishu_error
from sishu.client import Client
from sishu.errors import ApiError
from sishu.inference.v1 import deployment_pb2, deployment_service_pb2
from sishu.inference.v1.deployment_pb2 import Deployment

FRESH_SECONDS = 5.0

log = structlog.get_logger()

FindProviders = Callable[[Sequence[str]], Awaitable[Sequence[Provider]]]
"""Those of the providers of these ids that are there, in the same order."""


class Endpoints:
    """Endpoints of providers; what a deployment says of itself is asked for and kept for five seconds.

    Args:
        client: reaches the inference room.
        keys: reads the keys.
        find_providers: finds the members of pools.
    """

    def __init__(self, client: Client, keys: Keys, find_providers: FindProviders) -> None:
        self._client = client
        self._keys = keys
        self._find_providers = find_providers
        self._deployments: dict[str, tuple[float, Deployment]] = {}
        self._away: dict[str, tuple[float, SishuError]] = {}

    async def find(self, provider: Provider) -> tuple[Endpoint, ...]:
        """Where to ask: one, or of a pool those of its members that can be found now.

        Raises:
            Unavailable: a deployment is still loading, or the inference room is away.
            FailedPrecondition: a deployment failed, or a key cannot be read.
            NotFound: a deployment or all members of a pool are gone.
        """
        if not provider.pool_ids:
            return (await self.find_one(provider),)
        members = await self._find_providers(provider.pool_ids)
        found = await asyncio.gather(*map(self._find_member, members))
        endpoints = tuple(one for one in found if isinstance(one, Endpoint))
        if not endpoints:
            errors = [one for one in found if isinstance(one, SishuError)]
            # What passes by itself first: the work can wait for it.
            raise min(errors, key=lambda error: error.code not in RETRYABLE, default=no_members(provider))
        return endpoints

    async def find_one(self, provider: Provider) -> Endpoint:
        """Where a provider that is no pool is to be asked.

        Raises:
            SishuError, ApiError: as `find`.
        """
        base_url, model = provider.base_url, provider.model
        if provider.deployment_id:
            deployment = await self._deployment(provider.deployment_id)
            check_ready(deployment)
            base_url, model = deployment.base_url, deployment.served_model_name
        return Endpoint(
            base_url,
            model,
            "" if provider.deployment_id else self._keys.of(provider),
            provider.id,
            provider.limits,
            provider.price,
            provider.streaming,
        )

    async def check_deployment(self, deployment_id: str | None) -> None:
        """Refuse a deployment that is not there; where that cannot be asked now, it passes.

        Raises:
            InvalidArgument: so it is.
        """
        if not deployment_id:
            return
        try:
            await self._deployment(deployment_id)
        except ApiError as error:
            if error.code == "NOT_FOUND":
                raise InvalidArgument(
                    "DEPLOYMENT_NOT_FOUND",
                    f"there is no deployment {deployment_id}; `sishu deployment list` shows those that are",
                    "provider.deployment_id",
                    deployment_id=deployment_id,
                ) from None
            log.warning("deployment_not_checked", deployment_id=deployment_id, error=error.message)

    async def _find_member(self, member: Provider) -> Endpoint | SishuError:
        """An endpoint, or why there is none, kept for a while: calls to the others must not wait for it."""
        since, error = self._away.get(member.id, (0.0, None))
        if error is not None and is_fresh(since):
            return error
        try:
            return await self.find_one(member)
        except (SishuError, ApiError) as raised:
            error = as_sishu_error(raised)
        self._away = {key: kept for key, kept in self._away.items() if is_fresh(kept[0])}
        self._away[member.id] = (time.monotonic(), error)
        return error

    async def _deployment(self, deployment_id: str) -> Deployment:
        asked, deployment = self._deployments.get(deployment_id, (0.0, None))
        if deployment is None or not is_fresh(asked) or not is_ready(deployment):
            request = deployment_service_pb2.GetDeploymentRequest(id=deployment_id)
            deployment = (await self._client.deployments.GetDeployment(request)).deployment
            self._deployments = {key: one for key, one in self._deployments.items() if is_fresh(one[0])}
            self._deployments[deployment_id] = (time.monotonic(), deployment)
        return deployment


def is_fresh(since: float) -> bool:
    """Whether something that was found out at a time may still be taken for true."""
    return time.monotonic() - since <= FRESH_SECONDS


def is_ready(deployment: Deployment) -> bool:
    """Whether a deployment answers."""
    return deployment.state == deployment_pb2.DEPLOYMENT_STATE_READY


def check_ready(deployment: Deployment) -> None:
    """Refuse a deployment that does not answer.

    Raises:
        FailedPrecondition: it failed.
        Unavailable: it is loading.
    """
    if deployment.state == deployment_pb2.DEPLOYMENT_STATE_FAILED:
        raise FailedPrecondition(
            "DEPLOYMENT_FAILED",
            f"the deployment {deployment.id} failed: {deployment.failure.message}",
            deployment_id=deployment.id,
        )
    if not is_ready(deployment):
        raise Unavailable(
            "DEPLOYMENT_LOADING", f"the deployment {deployment.id} is loading", deployment_id=deployment.id
        )


def no_members(pool: Provider) -> FailedPrecondition:
    """The error for a pool whose members are all gone."""
    return FailedPrecondition(
        "POOL_EMPTY", f"pool {pool.id} has no member that is there; give it others", provider_id=pool.id
    )
