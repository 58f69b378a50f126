"""ProjectDataService, as every room but ingest serves it over what it holds for projects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from services.runtime.interceptors import Context
from services.runtime.storage import Storage
from sishu.common.v1 import project_data_service_pb2 as pb
from sishu.common.v1.project_data_service_pb2_grpc import ProjectDataServiceServicer


@dataclass(frozen=True)
class ProjectData:
    """What a room holds for projects.

    Args:
        delete_rows: deletes the rows of a project, its jobs first; returns their number by table.
        prefixes: where its objects lie in the bucket: `<prefix>/<project id>/…`.
    """

    delete_rows: Callable[[str], Awaitable[Mapping[str, int]]]
    prefixes: tuple[str, ...] = ()


class ProjectDataServicer(ProjectDataServiceServicer):
    """Deletes rows first, so that nothing refers to the objects any more."""

    def __init__(self, room: str, data: ProjectData, storage: Storage) -> None:
        self._room = room
        self._data = data
        self._storage = storage

    async def DeleteProjectData(
        self, request: pb.DeleteProjectDataRequest, context: Context
    ) -> pb.DeleteProjectDataResponse:
        rows = await self._data.delete_rows(request.project_id)
        objects = 0
        for prefix in self._data.prefixes:
            objects += await self._storage.delete_prefix(f"{prefix}/{request.project_id}/")
        named = {f"{self._room}.{table}": count for table, count in rows.items()}
        return pb.DeleteProjectDataResponse(deleted_rows=named, deleted_objects=objects)
