"""Find where a provider's model answers now."""

from __future__ import annotations

import time

from services.generation.providers import Endpoint, Provider
from services.runtime.errors import FailedPrecondition, Unavailable
from services.runtime.secrets import SecretBox
from sishu.client import Client
from sishu.inference.v1 import deployment_pb2, deployment_service_pb2

FRESH_SECONDS = 5.0


class Endpoints:
    """Endpoints of providers; the address of a deployment is asked for and kept for five seconds."""

    def __init__(self, client: Client, secrets: SecretBox) -> None:
        self._client = client
        self._secrets = secrets
        self._known: dict[str, tuple[float, Endpoint]] = {}

    async def find(self, provider: Provider) -> Endpoint:
        """Where to ask.

        Raises:
            Unavailable: the deployment is still loading.
            FailedPrecondition: the deployment failed, or the stored key cannot be read.
        """
        if provider.deployment_id is None:
            key = self._secrets.open(provider.sealed_key) if provider.sealed_key else ""
            return Endpoint(provider.base_url, provider.model, key)
        found, endpoint = self._known.get(provider.deployment_id, (0.0, None))
        if endpoint is None or time.monotonic() - found > FRESH_SECONDS:
            endpoint = await self._ask(provider.deployment_id)
            self._known[provider.deployment_id] = (time.monotonic(), endpoint)
        return endpoint

    async def _ask(self, deployment_id: str) -> Endpoint:
        request = deployment_service_pb2.GetDeploymentRequest(id=deployment_id)
        deployment = (await self._client.deployments.GetDeployment(request)).deployment
        if deployment.state == deployment_pb2.DEPLOYMENT_STATE_FAILED:
            raise FailedPrecondition(
                "DEPLOYMENT_FAILED",
                f"the deployment {deployment_id} failed: {deployment.failure.message}",
                deployment_id=deployment_id,
            )
        if deployment.state != deployment_pb2.DEPLOYMENT_STATE_READY:
            raise Unavailable(
                "DEPLOYMENT_LOADING",
                f"the deployment {deployment_id} is loading",
                deployment_id=deployment_id,
            )
        return Endpoint(deployment.base_url, deployment.served_model_name)
