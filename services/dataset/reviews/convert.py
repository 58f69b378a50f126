"""Between the contracts of reviews and their domain."""

from __future__ import annotations

from services.dataset.examples.convert import (
    example_to_pb,
    name_of,
    rejection_from_pb,
)
from services.dataset.reviews.reviews import Claim, Review, Summary
from services.runtime.convert import failure_to_pb, timestamp
from services.runtime.failures import Failure
from sishu.dataset.v1 import review_pb2
from sishu.dataset.v1 import review_service_pb2 as pb


def review_to_pb(review: Review) -> review_pb2.Review:
    """A review."""
    return review_pb2.Review(
        id=review.id,
        project_id=review.project_id,
        example_id=review.example_id,
        reviewer=review.reviewer,
        verdict=review_pb2.ReviewVerdict.Value(f"REVIEW_VERDICT_{review.verdict.upper()}"),
        rejection=failure_to_pb(review.rejection),
        change_id=review.change_id,
        create_time=timestamp(review.create_time),
    )


def claim_to_pb(claim: Claim | None) -> pb.ClaimReviewResponse:
    """What a reviewer is to look at; nothing for nothing."""
    if claim is None:
        return pb.ClaimReviewResponse()
    return pb.ClaimReviewResponse(
        example=example_to_pb(claim.example), expire_time=timestamp(claim.expire_time)
    )


def summary_to_pb(summary: Summary) -> review_pb2.ReviewSummary:
    """What reviews say as a whole."""
    return review_pb2.ReviewSummary(
        unreviewed=summary.states["unreviewed"],
        accepted=summary.states["accepted"],
        rejected=summary.states["rejected"],
        disputed=summary.states["disputed"],
        reviewers=[review_pb2.ReviewerVerdicts(**vars(one)) for one in summary.reviewers],
        compared=summary.compared,
        alpha=summary.alpha,
    )


def verdict_name(review: review_pb2.Review) -> str:
    """The name of a verdict."""
    return name_of(review_pb2.ReviewVerdict, review.verdict) or ""


def reason_from_pb(review: review_pb2.Review) -> Failure | None:
    """Why an example is rejected; nothing where nothing is said.

    Raises:
        InvalidArgument: it does not say why.
    """
    return rejection_from_pb(review.rejection) if review.HasField("rejection") else None
