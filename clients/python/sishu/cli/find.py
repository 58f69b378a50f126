"""Find resources by what people call them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sishu.cli.find_projects import find_project, is_id
from sishu.client import Client
from sishu.dataset.v1.dataset_service_pb2 import ListDatasetVersionsRequest
from sishu.dataset.v1.dataset_version_pb2 import DATASET_VERSION_STATE_READY, DatasetVersion
from sishu.errors import ApiError
from sishu.generation.v1.provider_service_pb2 import ListProvidersRequest
from sishu.trainer.v1.model_pb2 import MODEL_KIND_ADAPTER, MODEL_KIND_TUNED, MODEL_KIND_UNSPECIFIED, Model
from sishu.trainer.v1.model_service_pb2 import GetModelRequest, ListModelsRequest


async def find_provider(client: Client, project_id: str, name: str) -> str:
    """The id of a provider, given by id or name.

    Raises:
        ApiError: the project has none of this name.
    """
    if is_id(name):
        return name
    request = ListProvidersRequest(project_id=project_id, name=name)
    found = (await client.providers.ListProviders(request)).providers
    if not found:
        raise ApiError(
            "NOT_FOUND",
            "PROVIDER_NOT_FOUND",
            f"there is no provider {name!r}; see `sishu provider list`",
            metadata={"name": name},
        )
    return found[0].id


async def find_model_of(client: Client, project_id: str, name: str) -> str:
    """The id of a model of a project, given by id or name.

    Raises:
        ApiError: the project has none of this name.
    """
    return name if is_id(name) else (await find_model(client, f"{project_id}/{name}")).id


async def find_model(client: Client, name: str) -> Model:
    """A model by id, `PROJECT/NAME`, or the newest trained model of a project.

    Raises:
        ApiError: there is none.
    """
    if is_id(name):
        return (await client.models.GetModel(GetModelRequest(id=name))).model
    project_name, _, model_name = name.partition("/")
    project = await find_project(client, project_name)
    kinds = [MODEL_KIND_UNSPECIFIED] if model_name else [MODEL_KIND_ADAPTER, MODEL_KIND_TUNED]
    found: list[Model] = []
    for kind in kinds:
        request = ListModelsRequest(project_id=project.id, name=model_name, kind=kind, page_size=1)
        found += (await client.models.ListModels(request)).models
    # Ids are in the order of their making.
    found.sort(key=lambda model: model.id, reverse=True)
    if not found:
        raise ApiError(
            "NOT_FOUND",
            "MODEL_NOT_FOUND",
            f"there is no model {name!r}; see `sishu model list`",
            metadata={"name": name},
        )
    return found[0]


LATEST = "latest"
"""Names the newest version of a project that is ready."""
LONGEST_TAG = 63
"""Letters."""


async def versions_of(client: Client, request: ListDatasetVersionsRequest) -> AsyncIterator[DatasetVersion]:
    """The versions that a request means, page by page."""
    while True:
        page = await client.datasets.ListDatasetVersions(request)
        for version in page.dataset_versions:
            yield version
        request.page_token = page.next_page_token
        if not request.page_token:
            return


async def find_version(client: Client, name: str) -> str:
    """The id of a dataset version, given by id, `PROJECT/NUMBER`, `PROJECT/latest`, or `PROJECT/TAG`.

    Raises:
        ApiError: there is none.
    """
    if is_id(name):
        return name
    project_name, _, wanted = name.rpartition("/")
    if project_name and 0 < len(wanted) <= LONGEST_TAG:
        request = ListDatasetVersionsRequest(project_id=(await find_project(client, project_name)).id)
        if wanted.isdecimal() and int(wanted) < 2**31:
            request.number = int(wanted)
        elif wanted != LATEST:
            request.tag = wanted
        async for version in versions_of(client, request):
            if wanted != LATEST or version.state == DATASET_VERSION_STATE_READY:
                return version.id
    raise ApiError(
        "NOT_FOUND",
        "DATASET_VERSION_NOT_FOUND",
        f"there is no dataset version {name!r}; see `sishu dataset list`",
        metadata={"dataset_version_id": name},
    )
