"""Changes of examples over their rpcs: one thin method each."""

from __future__ import annotations

from services.dataset.changes.applied import Applying
from services.dataset.changes.applying import Applier
from services.dataset.changes.changes import Wanted
from services.dataset.changes.convert import become_from_pb, change_to_pb, revision_to_pb
from services.dataset.changes.revision_store import RevisionStore
from services.dataset.changes.store import ChangeStore
from services.dataset.examples.convert import uuid_text
from services.dataset.examples.filter_convert import filter_from_pb
from services.runtime.db import first_answer
from services.runtime.interceptors import Context
from services.runtime.pages import page_request
from sishu.dataset.v1 import example_change_service_pb2 as pb
from sishu.dataset.v1.example_change_service_pb2_grpc import ExampleChangeServiceServicer


class ExampleChangeServicer(ExampleChangeServiceServicer):
    """Changes of examples."""

    def __init__(self, revisions: RevisionStore, changes: ChangeStore, applier: Applier) -> None:
        self._applier = applier
        self._revisions = revisions
        self._changes = changes

    async def ListExampleRevisions(
        self, request: pb.ListExampleRevisionsRequest, context: Context
    ) -> pb.ListExampleRevisionsResponse:
        wanted = page_request(request.page_size, request.page_token, request.example_id)
        page = await self._revisions.list_page(wanted, request.example_id)
        return pb.ListExampleRevisionsResponse(
            example_revisions=map(revision_to_pb, page.rows), next_page_token=page.next_token
        )

    async def UpdateExamples(
        self, request: pb.UpdateExamplesRequest, context: Context
    ) -> pb.UpdateExamplesResponse:
        wanted = Wanted(filter_from_pb(request.filter), become_from_pb(request))
        change_id = await self._changes.create(
            "UpdateExamples", "update", request.project_id, request.author, wanted, request.request_id
        )
        return pb.UpdateExamplesResponse(example_change=change_to_pb(await self._changes.get(change_id)))

    async def DeleteExamples(
        self, request: pb.DeleteExamplesRequest, context: Context
    ) -> pb.DeleteExamplesResponse:
        wanted = Wanted(filter_from_pb(request.filter))
        change_id = await self._changes.create(
            "DeleteExamples", "delete", request.project_id, request.author, wanted, request.request_id
        )
        return pb.DeleteExamplesResponse(example_change=change_to_pb(await self._changes.get(change_id)))

    async def UndoExampleChange(
        self, request: pb.UndoExampleChangeRequest, context: Context
    ) -> pb.UndoExampleChangeResponse:
        change_id = await self._changes.undo(request.change_id, request.author, request.request_id)
        return pb.UndoExampleChangeResponse(example_change=change_to_pb(await self._changes.get(change_id)))

    async def ApplyGeneration(
        self, request: pb.ApplyGenerationRequest, context: Context
    ) -> pb.ApplyGenerationResponse:
        min_score = request.min_score if request.HasField("min_score") else None
        change_id = await first_answer(self._changes.pool, "ApplyGeneration", request.request_id)
        if not change_id:
            applying = Applying(uuid_text(request.generation_id), min_score)
            change_id = await self._applier.start(applying, request.request_id)
        return pb.ApplyGenerationResponse(example_change=change_to_pb(await self._changes.get(change_id)))

    async def GetExampleChange(
        self, request: pb.GetExampleChangeRequest, context: Context
    ) -> pb.GetExampleChangeResponse:
        return pb.GetExampleChangeResponse(example_change=change_to_pb(await self._changes.get(request.id)))
