"""Load models and wait until they answer."""

from __future__ import annotations

from sishu.client import Client
from sishu.errors import ApiError
from sishu.inference.v1.deployment_pb2 import DEPLOYMENT_STATE_FAILED, Deployment
from sishu.inference.v1.deployment_service_pb2 import (
    CreateDeploymentRequest,
    DeleteDeploymentRequest,
    WatchDeploymentRequest,
)


async def deploy(client: Client, project_id: str, model_id: str) -> Deployment:
    """The deployment of a model, loaded.

    Raises:
        ApiError: the model cannot be loaded. The deployment is deleted, so that the next call tries again.
    """
    wanted = Deployment(project_id=project_id, model_id=model_id)
    request = CreateDeploymentRequest(deployment=wanted)
    deployment = (await client.deployments.CreateDeployment(request)).deployment
    async for sight in client.deployments.WatchDeployment(WatchDeploymentRequest(id=deployment.id)):
        deployment = sight.deployment
    if deployment.state == DEPLOYMENT_STATE_FAILED:
        await client.deployments.DeleteDeployment(DeleteDeploymentRequest(id=deployment.id))
        failure = deployment.failure
        raise ApiError(failure.code, failure.reason, failure.message)
    return deployment
