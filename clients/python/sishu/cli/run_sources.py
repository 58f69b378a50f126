"""What a file of arguments calls a model or wants of its data, found in a project."""

from __future__ import annotations

import re

from sishu.client import Client
from sishu.dataset.v1.dataset_service_pb2 import GetDatasetVersionRequest
from sishu.errors import ApiError
from sishu.learn.jobs import wait_for_success
from sishu.learn.resources import absolute
from sishu.trainer.v1.model_pb2 import Model
from sishu.trainer.v1.model_service_pb2 import CreateModelRequest, ListModelsRequest


async def model_of_source(client: Client, project_id: str, source: str) -> str:
    """The id of a project's model of this name or source; where there is none it is registered.

    Raises:
        ApiError: there is no such model anywhere.
    """
    full = absolute(source)
    request = ListModelsRequest(project_id=project_id)
    while True:
        page = await client.models.ListModels(request)
        for model in page.models:
            if source == model.name or full == model.source:
                return model.id
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    name = re.sub(r"[^\w.-]+", "-", source.rstrip("/").rsplit("/", 1)[-1])[:100]
    wanted = Model(project_id=project_id, name=name, source=full)
    made = (await client.models.CreateModel(CreateModelRequest(model=wanted))).model
    await wait_for_success(client, "trainer", made.job)
    return made.id


async def check_validated(client: Client, version_id: str, val_size: float) -> None:
    """Demand that a version has validation rows, as `val_size` wants some.

    Raises:
        ApiError: it has none.
    """
    request = GetDatasetVersionRequest(id=version_id)
    version = (await client.datasets.GetDatasetVersion(request)).dataset_version
    if version.split_counts.get("validation"):
        return
    wish = f"--validation-share {val_size:g}" if val_size < 1 else f"--validation-count {val_size:g}"
    raise ApiError(
        "FAILED_PRECONDITION",
        "VALIDATION_ROWS_WANTED",
        f"val_size wants validation rows, and dataset version {version.number} has none; make one with "
        f"`sishu dataset create {wish}`, or remove val_size",
        metadata={"dataset_version_id": version_id, "wish": wish},
    )
