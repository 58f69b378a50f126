"""The dataset room: people review examples one by one, each others, and their reviews are summed up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.runtime.ids import new_id
from sishu.common.v1 import failure_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import example_change_service_pb2 as changes
from sishu.dataset.v1 import example_filter_pb2 as filters
from sishu.dataset.v1 import example_pb2, review_pb2
from sishu.dataset.v1 import example_service_pb2 as examples
from sishu.dataset.v1 import review_service_pb2 as pb
from sishu.errors import ApiError
from tests.integration.dataset_school import KEPT, REJECTED, School, turns

ACCEPT, EDIT, REJECT = (
    review_pb2.REVIEW_VERDICT_ACCEPT,
    review_pb2.REVIEW_VERDICT_EDIT,
    review_pb2.REVIEW_VERDICT_REJECT,
)
NO = failure_pb2.Failure(message="No.")


async def made(school: School, project_id: str, *scores: float) -> list[example_pb2.Example]:
    """Examples with these scores; below 0: without one."""
    found = []
    for number, score in enumerate(scores):
        fields: dict[str, Any] = {"score": score} if score >= 0 else {}
        messages = turns(f"{number}?", "x")
        found.append(await school.create(project_id=project_id, messages=messages, **fields))
    return found


async def claimed(school: School, project_id: str, reviewer: str, **fields: Any) -> str:
    """The id of the example that a reviewer gets; empty for none."""
    request = pb.ClaimReviewRequest(project_id=project_id, reviewer=reviewer, **fields)
    return (await school.client.reviews.ClaimReview(request)).example.id


async def said(
    school: School, example_id: str, reviewer: str, verdict: review_pb2.ReviewVerdict.ValueType, **fields: Any
) -> pb.CreateReviewResponse:
    rejection = fields.pop("rejection", NO if verdict == REJECT else None)
    review = review_pb2.Review(example_id=example_id, reviewer=reviewer, verdict=verdict, rejection=rejection)
    return await school.client.reviews.CreateReview(pb.CreateReviewRequest(review=review, **fields))


async def summary(school: School, project_id: str, **wanted: Any) -> review_pb2.ReviewSummary:
    request = pb.GetReviewSummaryRequest(project_id=project_id, filter=filters.ExampleFilter(**wanted))
    return (await school.client.reviews.GetReviewSummary(request)).review_summary


async def test_the_queue_gives_each_reviewer_others_the_lowest_scores_first(school: School) -> None:
    project_id = new_id()
    made_ids = [one.id for one in await made(school, project_id, 3, -1, 1, 2)]
    order = [made_ids[place] for place in (1, 2, 3, 0)]
    got = await asyncio.gather(*(claimed(school, project_id, name) for name in "abcd"))
    assert sorted(got) == sorted(order)
    first = await claimed(school, project_id, "e")
    assert first == ""
    # What one has claimed comes again, unless it is not wanted now.
    assert await claimed(school, project_id, "a") == got[0]
    assert await claimed(school, project_id, "a", skipped_example_ids=[got[0]]) == ""

    other = new_id()
    ids = [one.id for one in await made(school, other, 3, -1, 1, 2)]
    for place in (1, 2, 3, 0):
        assert await claimed(school, other, "a") == ids[place]
        await said(school, ids[place], "a", ACCEPT)
    assert await claimed(school, other, "a") == ""
    assert await claimed(school, other, "b") == ""
    assert await claimed(school, other, "b", reviews_wanted=2) == ids[1]
    assert await claimed(school, other, "a", reviews_wanted=2) == ""
    assert await claimed(school, other, "c", reviews_wanted=2) == ids[2]
    assert (
        await claimed(school, other, "d", reviews_wanted=2, filter=filters.ExampleFilter(min_score=2))
        == ids[3]
    )


async def test_a_claim_ends_with_its_time(school: School) -> None:
    project_id = new_id()
    (example,) = await made(school, project_id, 1)
    assert await claimed(school, project_id, "a", minutes=1) == example.id
    assert await claimed(school, project_id, "b") == ""
    async with school.stores.pool("dataset", 1) as pool:
        await pool.execute("UPDATE review_claims SET expire_time = now() WHERE project_id = $1", project_id)
    assert await claimed(school, project_id, "b") == example.id
    assert await claimed(school, project_id, "a") == ""


async def test_a_review_changes_the_example_as_its_reviewer(school: School) -> None:
    project_id = new_id()
    one, two, three = await made(school, project_id, 1, 2, 3)
    answer = await said(school, one.id, "Bea", ACCEPT)
    assert (answer.example.state, answer.review.change_id) == (KEPT, "")
    assert answer.example.review_state == example_pb2.REVIEW_STATE_ACCEPTED

    two.messages[1].content = "y"
    answer = await said(school, two.id, "Bea", EDIT, example=two, update_mask=FieldMask(paths=["messages"]))
    assert answer.example.messages[1].content == "y"
    assert answer.example.review_state == example_pb2.REVIEW_STATE_ACCEPTED
    request = changes.ListExampleRevisionsRequest(example_id=two.id)
    (revision,) = (await school.client.example_changes.ListExampleRevisions(request)).example_revisions
    assert (revision.author, revision.change_id) == ("Bea", answer.review.change_id)

    why = failure_pb2.Failure(message="There is none.", reason="WRONG")
    answer = await said(school, three.id, "Bea", REJECT, rejection=why)
    assert (answer.example.state, answer.example.rejection.reason) == (REJECTED, "WRONG")
    assert answer.example.review_state == example_pb2.REVIEW_STATE_REJECTED
    answer = await said(school, three.id, "Cao", ACCEPT)
    assert (answer.example.state, answer.example.review_count) == (KEPT, 2)
    assert answer.example.review_state == example_pb2.REVIEW_STATE_DISPUTED
    # The last word of a reviewer counts.
    answer = await said(school, three.id, "Bea", ACCEPT)
    assert (answer.example.review_state, answer.example.review_count) == (
        example_pb2.REVIEW_STATE_ACCEPTED,
        2,
    )
    accepted = [one.id for one in await school.listed(project_id, review_states=["REVIEW_STATE_ACCEPTED"])]
    assert accepted == [one.id, two.id, three.id]
    listing = pb.ListReviewsRequest(project_id=project_id, example_id=three.id)
    found = (await school.client.reviews.ListReviews(listing)).reviews
    assert [(review.reviewer, review.verdict) for review in found] == [("Bea", ACCEPT), ("Cao", ACCEPT)]
    listing = pb.ListReviewsRequest(project_id=project_id, reviewer="Bea", page_size=2)
    page = await school.client.reviews.ListReviews(listing)
    listing.page_token = page.next_page_token
    rest = await school.client.reviews.ListReviews(listing)
    assert [review.example_id for review in [*page.reviews, *rest.reviews]] == [three.id, two.id, one.id]

    rows = (
        await school.client.project_data("dataset").DeleteProjectData(
            DeleteProjectDataRequest(project_id=project_id)
        )
    ).deleted_rows
    assert rows["dataset.reviews"] == 4


async def test_reviews_are_summed_up_with_the_agreement(school: School) -> None:
    project_id = new_id()
    found = await made(school, project_id, *[1] * 11)
    # Krippendorff's own example of two observers and two values: alpha 0.095.
    for example, first, second in zip(found, "0100000010", "1110010000", strict=False):
        await said(school, example.id, "Meg", REJECT if first == "1" else ACCEPT)
        await said(school, example.id, "Owen", REJECT if second == "1" else ACCEPT)
    told = await summary(school, project_id)
    assert (told.unreviewed, told.accepted, told.rejected, told.disputed) == (1, 5, 1, 4)
    assert [(one.reviewer, one.accepted, one.edited, one.rejected) for one in told.reviewers] == [
        ("Meg", 8, 0, 2),
        ("Owen", 6, 0, 4),
    ]
    assert told.compared == 10
    assert told.alpha == pytest.approx(0.095, abs=0.0005)
    few = await summary(school, project_id, example_ids=[found[10].id])
    assert (few.unreviewed, few.compared, few.HasField("alpha")) == (1, 0, False)
    request = examples.CountExamplesRequest(
        project_id=project_id, facets=[filters.EXAMPLE_FACET_REVIEW_STATE]
    )
    (facet,) = (await school.client.examples.CountExamples(request)).facets
    assert {one.value: one.count for one in facet.counts} == {
        "accepted": 5,
        "disputed": 4,
        "rejected": 1,
        "unreviewed": 1,
    }


async def test_what_does_not_belong_to_a_verdict_is_refused(school: School) -> None:
    project_id = new_id()
    (example,) = await made(school, project_id, 1)
    mask = FieldMask(paths=["score"])
    cases: list[tuple[review_pb2.ReviewVerdict.ValueType, dict[str, Any], str]] = [
        (ACCEPT, {"example": example, "update_mask": mask}, "update_mask"),
        (EDIT, {}, "update_mask"),
        (EDIT, {"example": example, "update_mask": FieldMask(paths=["state"])}, "update_mask"),
        (ACCEPT, {"rejection": NO}, "review.rejection"),
        (REJECT, {"rejection": None}, "review.rejection"),
        (REJECT, {"rejection": failure_pb2.Failure(message=" ")}, "example.rejection.message"),
        (review_pb2.REVIEW_VERDICT_UNSPECIFIED, {}, "review.verdict"),
    ]
    for verdict, fields, field in cases:
        with pytest.raises(ApiError) as error:
            await said(school, example.id, "Bea", verdict, **fields)
        assert (error.value.code, error.value.field) == ("INVALID_ARGUMENT", field)
    with pytest.raises(ApiError) as error:
        await said(school, example.id, "", ACCEPT)
    assert error.value.field == "review.reviewer"
    with pytest.raises(ApiError) as error:
        await said(school, new_id(), "Bea", ACCEPT)
    assert error.value.reason == "EXAMPLE_NOT_FOUND"
    with pytest.raises(ApiError) as error:
        await claimed(school, project_id, "Bea", filter=filters.ExampleFilter(text="x"))
    assert error.value.field == "filter.text"
