"""Find or make what the main job stands on: project, base model, provider."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from google.protobuf.field_mask_pb2 import FieldMask

from sishu.client import Client
from sishu.common.v1.job_pb2 import JOB_STATE_CANCELLED, Job
from sishu.errors import error_of
from sishu.generation.v1.provider_pb2 import Provider
from sishu.generation.v1.provider_service_pb2 import (
    CreateProviderRequest,
    ListProvidersRequest,
    UpdateProviderRequest,
)
from sishu.ingest.v1.project_pb2 import Project
from sishu.ingest.v1.project_service_pb2 import CreateProjectRequest, ListProjectsRequest
from sishu.learn.deployments import deploy
from sishu.learn.jobs import wait_for_success
from sishu.learn.options import BUILTIN, LearnOptions
from sishu.trainer.v1.model_pb2 import MODEL_STATE_READY, Model
from sishu.trainer.v1.model_service_pb2 import CreateModelRequest, GetModelRequest, ListModelsRequest


async def project_named(client: Client, name: str) -> Project:
    """The project of a name, made when there is none."""
    found = (await client.projects.ListProjects(ListProjectsRequest(name=name))).projects
    if found:
        return found[0]
    return (await client.projects.CreateProject(CreateProjectRequest(project=Project(name=name)))).project


async def base_model(client: Client, project: Project, source: str, watch: Callable[[Job], None]) -> Model:
    """The base model of a source, registered and prepared.

    Raises:
        ApiError: it cannot be found or read.
    """
    # The services run in other folders than this command, so a path goes to them whole.
    source = await asyncio.to_thread(absolute, source)
    name = source[-200:]
    found = (await client.models.ListModels(ListModelsRequest(project_id=project.id, name=name))).models
    if found:
        model = found[0]
    else:
        wanted = Model(project_id=project.id, name=name, source=source)
        model = (await client.models.CreateModel(CreateModelRequest(model=wanted))).model
    if model.state == MODEL_STATE_READY:
        return model
    if model.job.state == JOB_STATE_CANCELLED:
        raise error_of(model.failure)
    await wait_for_success(client, "trainer", model.job, watch)
    return (await client.models.GetModel(GetModelRequest(id=model.id))).model


def absolute(source: str) -> str:
    """The full path of a file or folder; any other reference as it is."""
    path = Path(source).expanduser()
    return str(path.resolve()) if path.exists() else source


async def provider_named(
    client: Client, project: Project, options: LearnOptions, watch: Callable[[Job], None]
) -> Provider:
    """The provider that writes: the server that was named, else the built-in model in a deployment."""
    wanted = Provider(project_id=project.id)
    if options.llm_base_url:
        wanted.base_url, wanted.model = options.llm_base_url, options.llm_model
        wanted.api_key = options.llm_api_key
        if options.price:
            wanted.price.CopyFrom(options.price)
        digest = hashlib.sha256(f"{options.llm_base_url} {options.llm_model}".encode()).hexdigest()
        wanted.name = f"{options.llm_model[:60]}-{digest[:8]}"
    else:
        writer = await base_model(client, project, BUILTIN, watch)
        wanted.deployment_id = (await deploy(client, project.id, writer.id)).id
        # By the model: what it writes is the same wherever it is loaded.
        wanted.name = f"builtin-{writer.id[-8:]}"
    request = ListProvidersRequest(project_id=project.id, name=wanted.name)
    found = (await client.providers.ListProviders(request)).providers
    if not found:
        return (await client.providers.CreateProvider(CreateProviderRequest(provider=wanted))).provider
    paths = ["api_key"] if wanted.api_key else []
    if wanted.deployment_id != found[0].deployment_id:
        paths.append("deployment_id")
    if wanted.HasField("price"):
        if not wanted.price.HasField("batch_factor") and found[0].price.HasField("batch_factor"):
            wanted.price.batch_factor = found[0].price.batch_factor
        if wanted.price != found[0].price:
            paths.append("price")
    if not paths:
        return found[0]
    wanted.id = found[0].id
    update = UpdateProviderRequest(provider=wanted, update_mask=FieldMask(paths=paths))
    return (await client.providers.UpdateProvider(update)).provider
