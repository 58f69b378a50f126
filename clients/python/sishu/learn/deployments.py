"""Load models and wait until they answer."""

from __future__ import annotations

from collections.abc import Iterable

from sishu.client import Client
from sishu.errors import ApiError, error_of
from sishu.inference.v1.deployment_pb2 import DEPLOYMENT_STATE_FAILED, Deployment
from sishu.inference.v1.deployment_service_pb2 import (
    CreateDeploymentRequest,
    DeleteDeploymentRequest,
    WatchDeploymentRequest,
)
from sishu.learn.watching import watched


async def deploy(client: Client, project_id: str, model_id: str) -> Deployment:
    """The deployment of a model, loaded; one that failed before is tried again.

    Raises:
        ApiError: the model cannot be loaded.
    """
    wanted = Deployment(project_id=project_id, model_id=model_id)
    request = CreateDeploymentRequest(deployment=wanted)
    return await loaded(client, (await client.deployments.CreateDeployment(request)).deployment)


async def loaded(client: Client, deployment: Deployment) -> Deployment:
    """A deployment once it answers.

    Raises:
        ApiError: it cannot be loaded.
    """
    watch = WatchDeploymentRequest(id=deployment.id)
    async for sight in watched(lambda: client.deployments.WatchDeployment(watch)):
        deployment = sight.deployment
    if deployment.state == DEPLOYMENT_STATE_FAILED:
        raise error_of(deployment.failure)
    return deployment


async def unload(client: Client, deployment_ids: Iterable[str]) -> None:
    """Give the memory of models back; one that is gone, or that an exam needs now, is left alone."""
    for deployment_id in deployment_ids:
        try:
            await client.deployments.DeleteDeployment(DeleteDeploymentRequest(id=deployment_id))
        except ApiError as error:
            if error.code not in {"NOT_FOUND", "FAILED_PRECONDITION"}:
                raise
