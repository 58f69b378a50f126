"""The later rooms, as the deletion of a project asks them."""

from __future__ import annotations

from services.ingest.deletion import DeletedData
from sishu.client import Client
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest

LATER_ROOMS = ("inference", "trainer", "dataset", "generation")
"""The rooms that hold what came out of documents, the last first."""


class LaterRoomsByRpc:
    """`LaterRooms` as they answer rpcs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def delete_project(self, project_id: str) -> DeletedData:
        """Delete all that the rooms hold of a project, the last room first.

        Raises:
            ApiError: a room could not delete its part; repeat the call.
        """
        request = DeleteProjectDataRequest(project_id=project_id)
        answers = [await self._client.project_data(room).DeleteProjectData(request) for room in LATER_ROOMS]
        rows = {table: count for answer in answers for table, count in answer.deleted_rows.items()}
        return DeletedData(rows, sum(answer.deleted_objects for answer in answers))
