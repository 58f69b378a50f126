"""Delete a project everywhere: first in the rooms that came after, at last here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from services.ingest.store import Store
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.dataset.v1 import dataset_service_pb2
from sishu.generation.v1 import generation_service_pb2
from sishu.inference.v1 import exam_service_pb2
from sishu.trainer.v1 import training_service_pb2


class Deleted(Protocol):
    """What every room's DeleteProjectDataResponse says."""

    @property
    def deleted_rows(self) -> Mapping[str, int]: ...  # noqa: D102

    @property
    def deleted_objects(self) -> int: ...  # noqa: D102


async def delete_project(
    project_id: str, store: Store, storage: Storage, client: Client
) -> tuple[dict[str, int], int]:
    """Delete rows and objects of a project; return the rows by table, and the number of objects.

    The project's own row goes last, so a call that failed in the middle can be repeated.

    Raises:
        NotFound: there is no such project.
        ApiError: a room could not delete its part; repeat the call.
    """
    await store.get_project(project_id)
    answers: list[Deleted] = [
        await client.exams.DeleteProjectData(
            exam_service_pb2.DeleteProjectDataRequest(project_id=project_id)
        ),
        await client.training.DeleteProjectData(
            training_service_pb2.DeleteProjectDataRequest(project_id=project_id)
        ),
        await client.datasets.DeleteProjectData(
            dataset_service_pb2.DeleteProjectDataRequest(project_id=project_id)
        ),
        await client.generations.DeleteProjectData(
            generation_service_pb2.DeleteProjectDataRequest(project_id=project_id)
        ),
    ]
    rows = {table: count for answer in answers for table, count in answer.deleted_rows.items()}
    objects = sum(answer.deleted_objects for answer in answers)
    objects += await storage.delete_prefix(f"documents/{project_id}/")
    own = await store.delete_project(project_id)
    return {**rows, **{f"ingest.{table}": count for table, count in own.items()}}, objects
