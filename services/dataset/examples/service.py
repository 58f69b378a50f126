"""Examples over their rpcs: one thin method each."""

from __future__ import annotations

from services.dataset.changes.revision_store import RevisionStore
from services.dataset.comments.convert import comment_to_pb
from services.dataset.comments.store import CommentStore
from services.dataset.examples.convert import check_merged, edit_from_pb, example_from_pb, example_to_pb
from services.dataset.examples.edits import EDITABLE, edited
from services.dataset.examples.examples import Example
from services.dataset.examples.filter_convert import facet_name, facet_to_pb, filter_from_pb, order_name
from services.dataset.examples.filters import countable
from services.dataset.examples.rules import check_example
from services.dataset.examples.store import ExampleStore
from services.dataset.source_marks.store import SourceMarkStore
from services.runtime.convert import job_to_pb
from services.runtime.db import first_answer
from services.runtime.interceptors import Context
from services.runtime.jobs import Jobs
from services.runtime.masks import check_mask
from services.runtime.pages import page_request
from sishu.client import Client
from sishu.dataset.v1 import example_service_pb2 as pb
from sishu.dataset.v1.example_service_pb2_grpc import ExampleServiceServicer
from sishu.ingest.v1 import project_service_pb2


class ExampleServicer(ExampleServiceServicer):
    """Examples."""

    def __init__(
        self,
        store: ExampleStore,
        revisions: RevisionStore,
        comments: CommentStore,
        markings: SourceMarkStore,
        jobs: Jobs,
        client: Client,
    ) -> None:
        self._store = store
        self._revisions = revisions
        self._comments = comments
        self._markings = markings
        self._jobs = jobs
        self._client = client

    async def CreateExample(
        self, request: pb.CreateExampleRequest, context: Context
    ) -> pb.CreateExampleResponse:
        example_id = await first_answer(self._store.pool, "CreateExample", request.request_id)
        if not example_id:
            example = example_from_pb(request.example)
            check_example(example)
            wanted = project_service_pb2.GetProjectRequest(id=example.project_id)
            await self._client.projects.GetProject(wanted)
            example_id = await self._store.create(example, request.request_id)
        return pb.CreateExampleResponse(example=example_to_pb(await self._store.get(example_id)))

    async def GetExample(self, request: pb.GetExampleRequest, context: Context) -> pb.GetExampleResponse:
        return pb.GetExampleResponse(example=example_to_pb(await self._store.get(request.id)))

    async def ListExamples(
        self, request: pb.ListExamplesRequest, context: Context
    ) -> pb.ListExamplesResponse:
        wanted, order = filter_from_pb(request.filter), order_name(request.order)
        page = await self._store.list_page(
            page_request(request.page_size, request.page_token, request.project_id, wanted, order),
            request.project_id,
            wanted,
            order,
        )
        return pb.ListExamplesResponse(
            examples=map(example_to_pb, page.rows), next_page_token=page.next_token
        )

    async def CountExamples(
        self, request: pb.CountExamplesRequest, context: Context
    ) -> pb.CountExamplesResponse:
        wanted = countable(filter_from_pb(request.filter))
        facets = [facet_name(facet) for facet in request.facets]
        total, counted = await self._store.count(request.project_id, wanted, facets)
        return pb.CountExamplesResponse(total=total, facets=map(facet_to_pb, counted))

    async def UpdateExample(
        self, request: pb.UpdateExampleRequest, context: Context
    ) -> pb.UpdateExampleResponse:
        edit = edit_from_pb(request.example, check_mask(request.update_mask, *EDITABLE))

        def change(example: Example) -> Example:
            check_merged(example, request.example, request.update_mask)
            return edited(example, edit)

        example, change_id = await self._revisions.update(request.example.id, change, request.author)
        return pb.UpdateExampleResponse(example=example_to_pb(example), change_id=change_id)

    async def MarkSources(self, request: pb.MarkSourcesRequest, context: Context) -> pb.MarkSourcesResponse:
        job_id = await self._markings.create(request.project_id, request.request_id)
        # The job first: of one that has ended all is counted.
        job = await self._jobs.get(job_id)
        marked, unmarked = await self._markings.marked_by(job_id)
        return pb.MarkSourcesResponse(job=job_to_pb(job), marked=marked, unmarked=unmarked)

    async def DeleteExample(
        self, request: pb.DeleteExampleRequest, context: Context
    ) -> pb.DeleteExampleResponse:
        change_id = await self._revisions.delete(request.id, request.author)
        return pb.DeleteExampleResponse(change_id=change_id)

    async def CreateExampleComment(
        self, request: pb.CreateExampleCommentRequest, context: Context
    ) -> pb.CreateExampleCommentResponse:
        wanted = request.example_comment
        comment = await self._comments.create(
            wanted.example_id, wanted.author, wanted.text, request.request_id
        )
        return pb.CreateExampleCommentResponse(example_comment=comment_to_pb(comment))

    async def ListExampleComments(
        self, request: pb.ListExampleCommentsRequest, context: Context
    ) -> pb.ListExampleCommentsResponse:
        wanted = page_request(request.page_size, request.page_token, request.example_id)
        page = await self._comments.list_page(wanted, request.example_id)
        return pb.ListExampleCommentsResponse(
            example_comments=map(comment_to_pb, page.rows), next_page_token=page.next_token
        )

    async def DeleteExampleComment(
        self, request: pb.DeleteExampleCommentRequest, context: Context
    ) -> pb.DeleteExampleCommentResponse:
        await self._comments.delete(request.id)
        return pb.DeleteExampleCommentResponse()
