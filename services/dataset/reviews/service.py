"""Reviews over their rpcs: one thin method each."""

from __future__ import annotations

from services.dataset.examples.convert import check_merged, edit_from_pb, example_to_pb
from services.dataset.examples.edits import SAID
from services.dataset.examples.examples import Example
from services.dataset.examples.filter_convert import filter_from_pb
from services.dataset.examples.store import ExampleStore
from services.dataset.reviews.convert import (
    claim_to_pb,
    reason_from_pb,
    review_to_pb,
    summary_to_pb,
    verdict_name,
)
from services.dataset.reviews.reviews import claimable, judged
from services.dataset.reviews.store import ReviewStore
from services.runtime.interceptors import Context
from services.runtime.masks import check_mask
from services.runtime.pages import page_request
from sishu.dataset.v1 import review_service_pb2 as pb
from sishu.dataset.v1.review_service_pb2_grpc import ReviewServiceServicer


class ReviewServicer(ReviewServiceServicer):
    """Reviews."""

    def __init__(self, store: ReviewStore, examples: ExampleStore) -> None:
        self._store = store
        self._examples = examples

    async def ClaimReview(self, request: pb.ClaimReviewRequest, context: Context) -> pb.ClaimReviewResponse:
        claim = await self._store.claim(
            request.project_id,
            request.reviewer,
            claimable(filter_from_pb(request.filter)),
            request.minutes or 30,
            request.reviews_wanted or 1,
            list(request.skipped_example_ids),
        )
        return claim_to_pb(claim)

    async def CreateReview(
        self, request: pb.CreateReviewRequest, context: Context
    ) -> pb.CreateReviewResponse:
        review, verdict, why = request.review, verdict_name(request.review), reason_from_pb(request.review)
        paths = check_mask(request.update_mask, *SAID) if request.update_mask.paths else frozenset[str]()
        edit = edit_from_pb(request.example, paths)

        def judge(example: Example) -> Example:
            if paths:
                check_merged(example, request.example, request.update_mask)
            return judged(example, verdict, edit, why)

        review_id = await self._store.create(
            review.example_id, review.reviewer, verdict, why, judge, request.request_id
        )
        made = await self._store.get(review_id)
        example = await self._examples.get(made.example_id)
        return pb.CreateReviewResponse(review=review_to_pb(made), example=example_to_pb(example))

    async def ListReviews(self, request: pb.ListReviewsRequest, context: Context) -> pb.ListReviewsResponse:
        filters = (request.project_id, request.example_id, request.reviewer)
        wanted = page_request(request.page_size, request.page_token, *filters)
        page = await self._store.list_page(wanted, *filters)
        return pb.ListReviewsResponse(reviews=map(review_to_pb, page.rows), next_page_token=page.next_token)

    async def GetReviewSummary(
        self, request: pb.GetReviewSummaryRequest, context: Context
    ) -> pb.GetReviewSummaryResponse:
        wanted = claimable(filter_from_pb(request.filter))
        summary = await self._store.summary(request.project_id, wanted)
        return pb.GetReviewSummaryResponse(review_summary=summary_to_pb(summary))
