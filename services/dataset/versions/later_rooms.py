"""The later rooms, as the deletion of a version asks them."""

from __future__ import annotations

from services.runtime.errors import FailedPrecondition
from sishu.client import Client
from sishu.inference.v1.exam_service_pb2 import ListExamsRequest
from sishu.trainer.v1.training_service_pb2 import ListTrainingRunsRequest

PAGE = 1000


class LaterRoomsByRpc:
    """The trainer and inference rooms as they answer rpcs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def check_unused(self, project_id: str, version_id: str) -> None:
        """Demand that no training run and no exam of the project refers to a version.

        Raises:
            FailedPrecondition: one does.
            ApiError: a room does not answer.
        """
        for run_id in await self._runs(project_id, version_id):
            raise in_use(version_id, f"training run {run_id}", training_run_id=run_id)
        for exam_id in await self._exams(project_id, version_id):
            raise in_use(version_id, f"exam {exam_id}", exam_id=exam_id)

    async def _runs(self, project_id: str, version_id: str) -> list[str]:
        request, found = ListTrainingRunsRequest(project_id=project_id, page_size=PAGE), list[str]()
        while True:
            page = await self._client.training.ListTrainingRuns(request)
            found += [one.id for one in page.training_runs if one.dataset_version_id == version_id]
            request.page_token = page.next_page_token
            if not request.page_token:
                return found

    async def _exams(self, project_id: str, version_id: str) -> list[str]:
        request, found = ListExamsRequest(project_id=project_id, page_size=PAGE), list[str]()
        while True:
            page = await self._client.exams.ListExams(request)
            found += [one.id for one in page.exams if one.dataset_version_id == version_id]
            request.page_token = page.next_page_token
            if not request.page_token:
                return found


def in_use(version_id: str, user: str, **metadata: str) -> FailedPrecondition:
    """The error for a version that something refers to."""
    message = f"dataset version {version_id} is used by {user}; delete that first"
    return FailedPrecondition(
        "DATASET_VERSION_IN_USE", message, dataset_version_id=version_id, used_by=user, **metadata
    )
