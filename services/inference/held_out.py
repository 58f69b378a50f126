"""Read the held-out questions of a dataset version."""

from __future__ import annotations

from services.inference.convert import quote_from_pb, turn_from_pb
from services.inference.exams import MOST_ITEMS, ExamItem, exam_item
from services.runtime.errors import FailedPrecondition, InvalidArgument
from sishu.client import Client
from sishu.dataset.v1 import dataset_service_pb2, dataset_version_pb2

PAGE_SIZE = 200


async def read_exam_items(client: Client, project_id: str, dataset_version_id: str) -> list[ExamItem]:
    """The questions of a version's exam split, in its order and as it holds them, system prompt included.

    Raises:
        NotFound: there is no such version.
        InvalidArgument: it belongs to another project.
        FailedPrecondition: it is not ready, holds no exam items, too many, or one without an answer.
    """
    await check_version(client, project_id, dataset_version_id)
    items: list[ExamItem] = []
    request = dataset_service_pb2.ListDatasetVersionExamplesRequest(
        dataset_version_id=dataset_version_id,
        split=dataset_version_pb2.DATASET_SPLIT_EXAM,
        page_size=PAGE_SIZE,
    )
    while True:
        page = await client.datasets.ListDatasetVersionExamples(request)
        for held in page.dataset_version_examples:
            messages = [turn_from_pb(message) for message in held.messages]
            quotes = [quote_from_pb(quote) for quote in held.quotes]
            items.append(exam_item(held.example_id, len(items), messages, quotes))
        check_size(len(items), dataset_version_id, complete=not page.next_page_token)
        if not page.next_page_token:
            return items
        request.page_token = page.next_page_token


async def check_version(client: Client, project_id: str, dataset_version_id: str) -> None:
    """Hold a dataset version against what an exam needs."""
    request = dataset_service_pb2.GetDatasetVersionRequest(id=dataset_version_id)
    version = (await client.datasets.GetDatasetVersion(request)).dataset_version
    if version.project_id != project_id:
        raise InvalidArgument(
            "FIELD_INVALID",
            f"dataset version {dataset_version_id} belongs to another project",
            "exam.dataset_version_id",
        )
    if version.state != dataset_version_pb2.DATASET_VERSION_STATE_READY:
        raise FailedPrecondition(
            "DATASET_VERSION_NOT_READY",
            f"dataset version {dataset_version_id} is not complete; wait for its job {version.job.id}",
            dataset_version_id=dataset_version_id,
        )


def check_size(count: int, dataset_version_id: str, *, complete: bool) -> None:
    """Refuse an exam without questions, and one that is too large."""
    if complete and count == 0:
        raise FailedPrecondition(
            "NO_EXAM_ITEMS",
            f"dataset version {dataset_version_id} holds no exam items; make one with an exam share above 0",
            dataset_version_id=dataset_version_id,
        )
    if count > MOST_ITEMS:
        raise FailedPrecondition(
            "EXAM_TOO_LARGE",
            f"dataset version {dataset_version_id} holds more than {MOST_ITEMS} exam items; make one with "
            "max_exam_items",
            dataset_version_id=dataset_version_id,
        )
