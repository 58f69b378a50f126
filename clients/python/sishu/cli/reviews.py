"""`sishu review …`: look at examples one by one, and say what they are worth."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import click
import typer
from google.protobuf.field_mask_pb2 import FieldMask

from sishu.cli.context import with_client
from sishu.cli.example_options import ExampleOptions, example_filter, named_author, with_ids
from sishu.cli.examples import (
    AnswerOption,
    BadAnswerOption,
    CodeOption,
    QuestionOption,
    ScoreOption,
    WhyOption,
    edited,
    got,
    last,
)
from sishu.cli.find_projects import find_project
from sishu.cli.options import IdArgument, LimitOption, ProjectOption, takes
from sishu.cli.output import CONSOLE, as_json, show_fields, show_many, show_one, value_at
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.common.v1.failure_pb2 import Failure
from sishu.common.v1.message_pb2 import ROLE_ASSISTANT
from sishu.dataset.v1 import review_service_pb2 as pb
from sishu.dataset.v1.example_pb2 import Example
from sishu.dataset.v1.review_pb2 import (
    REVIEW_VERDICT_ACCEPT,
    REVIEW_VERDICT_EDIT,
    REVIEW_VERDICT_REJECT,
    Review,
    ReviewSummary,
)

app = typer.Typer(no_args_is_help=True, help=say("review"))

ReviewerOption = Annotated[
    str, typer.Option("--reviewer", envvar="SISHU_AUTHOR", help=say("review_reviewer"))
]


@app.command("next", help=say("review_next"))
@takes(ExampleOptions)
def next_review(
    project: ProjectOption,
    reviewer: ReviewerOption = "",
    minutes: Annotated[int, typer.Option(help=say("review_minutes"))] = 30,
    wanted: Annotated[int, typer.Option(help=say("review_wanted"))] = 1,
    *,
    options: ExampleOptions,
) -> None:
    """`sishu review next`: without a terminal it shows one example and ends."""
    request = pb.ClaimReviewRequest(
        reviewer=named_author(reviewer),
        filter=example_filter(options),
        minutes=minutes,
        reviews_wanted=wanted,
    )

    async def work(client: Client) -> Example | None:
        if not request.project_id:
            request.project_id = (await find_project(client, project)).id
            await with_ids(client, request.project_id, request.filter)
        answer = await client.reviews.ClaimReview(request)
        return answer.example if answer.HasField("example") else None

    asks = sys.stdin.isatty() and not SETTINGS.json
    while example := with_client(work):
        show_example(example)
        if not asks:
            return
        if not asked(example, request):
            return
    if not SETTINGS.json:
        CONSOLE.print(say("review_none"))


@app.command("accept", help=say("review_accept"))
def accept(example_id: IdArgument, reviewer: ReviewerOption = "") -> None:
    """`sishu review accept`."""
    verdict = Review(example_id=example_id, reviewer=named_author(reviewer), verdict=REVIEW_VERDICT_ACCEPT)
    show_one(told(pb.CreateReviewRequest(review=verdict)))


@app.command("edit", help=say("review_edit"))
def edit(
    example_id: IdArgument,
    question: QuestionOption = "",
    answer: AnswerOption = "",
    bad_answer: BadAnswerOption = "",
    score: ScoreOption = None,
    reviewer: ReviewerOption = "",
) -> None:
    """`sishu review edit`."""
    example = with_client(lambda client: got(client, example_id))
    paths = edited(example, question, answer, bad_answer, score)
    show_one(told(edit_request(example, named_author(reviewer), paths)))


@app.command("reject", help=say("review_reject"))
def reject(
    example_id: IdArgument, reason: WhyOption, code: CodeOption = "", reviewer: ReviewerOption = ""
) -> None:
    """`sishu review reject`."""
    show_one(told(reject_request(example_id, named_author(reviewer), reason, code)))


@app.command("list", help=say("review_list"))
def list_reviews(
    project: ProjectOption,
    reviewer: Annotated[str, typer.Option(help=say("review_of"))] = "",
    example: Annotated[str, typer.Option(help=say("review_of_example"))] = "",
    limit: LimitOption = 100,
) -> None:
    """`sishu review list`."""

    async def work(client: Client) -> Sequence[Review]:
        project_id = (await find_project(client, project)).id
        request = pb.ListReviewsRequest(
            project_id=project_id, example_id=example, reviewer=reviewer, page_size=limit
        )
        return (await client.reviews.ListReviews(request)).reviews

    show_many(with_client(work), ("example_id", "reviewer", "verdict", "rejection.message", "create_time"))


@app.command("summary", help=say("review_summary"))
@takes(ExampleOptions)
def summary(project: ProjectOption, *, options: ExampleOptions) -> None:
    """`sishu review summary`."""

    async def work(client: Client) -> ReviewSummary:
        project_id = (await find_project(client, project)).id
        wanted = await with_ids(client, project_id, example_filter(options))
        request = pb.GetReviewSummaryRequest(project_id=project_id, filter=wanted)
        return (await client.reviews.GetReviewSummary(request)).review_summary

    found = with_client(work)
    if SETTINGS.json:
        print(as_json(found))
        return
    show_fields(summary_fields(found))


def summary_fields(found: ReviewSummary) -> Iterator[tuple[str, str]]:
    """A summary, a field a line."""
    for state in ("unreviewed", "accepted", "rejected", "disputed"):
        yield say(f"review_state_{state}"), str(getattr(found, state))
    for one in found.reviewers:
        yield one.reviewer, say("review_verdicts").format(one.accepted, one.edited, one.rejected)
    yield say("review_compared"), str(found.compared)
    yield say("review_agreement"), f"{found.alpha:.3f}" if found.HasField("alpha") else "–"


def asked(example: Example, claim: pb.ClaimReviewRequest) -> bool:
    """Ask what an example is worth, and store that; whether to go on."""
    match typer.prompt(say("review_ask"), default="s").strip().lower()[:1]:
        case "a":
            verdict = Review(example_id=example.id, reviewer=claim.reviewer, verdict=REVIEW_VERDICT_ACCEPT)
            told(pb.CreateReviewRequest(review=verdict))
        case "e":
            edit_here(example, claim)
        case "r":
            told(reject_request(example.id, claim.reviewer, typer.prompt(say("example_why"))))
        case "q":
            return False
        case _:
            claim.skipped_example_ids.append(example.id)
    return True


def edit_here(example: Example, claim: pb.ClaimReviewRequest) -> None:
    """Let the person change the answer in their editor; what is left as it is, is skipped."""
    preference = example.HasField("preference")
    before = example.preference.chosen.content if preference else last(example, ROLE_ASSISTANT).content
    text = (click.edit(before) or "").strip()
    if not text or text == before:
        claim.skipped_example_ids.append(example.id)
        return
    told(edit_request(example, claim.reviewer, edited(example, answer=text)))


def edit_request(example: Example, reviewer: str, paths: Sequence[str]) -> pb.CreateReviewRequest:
    """The review of an example that was changed."""
    return pb.CreateReviewRequest(
        review=Review(example_id=example.id, reviewer=reviewer, verdict=REVIEW_VERDICT_EDIT),
        example=example,
        update_mask=FieldMask(paths=paths),
    )


def reject_request(example_id: str, reviewer: str, reason: str, code: str = "") -> pb.CreateReviewRequest:
    """The review of an example that is rejected."""
    why = Failure(message=reason, reason=code)
    review = Review(example_id=example_id, reviewer=reviewer, verdict=REVIEW_VERDICT_REJECT, rejection=why)
    return pb.CreateReviewRequest(review=review)


def told(request: pb.CreateReviewRequest) -> Review:
    """Store a review."""

    async def work(client: Client) -> Review:
        return (await client.reviews.CreateReview(request)).review

    return with_client(work)


def show_example(example: Example) -> None:
    """Show an example with its quotes, for people to read."""
    if SETTINGS.json:
        print(as_json(example))
        return
    for line in lines_of(example):
        CONSOLE.print(line, markup=False, highlight=False, soft_wrap=True)


def lines_of(example: Example) -> Iterator[str]:
    """An example as lines of text."""
    score = f"  {example.score:g}" if example.HasField("score") else ""
    yield f"{example.id}  {value_at(example, 'kind')}  {value_at(example, 'state')}{score}"
    if example.rejection.reason:
        yield f"{example.rejection.reason}: {example.rejection.message}"
    for message in example.messages:
        yield f"[{value_at(message, 'role')}] {message.content}"
    for side in ("chosen", "rejected"):
        if example.preference.HasField(side):
            yield f"[{side}] {getattr(example.preference, side).content}"
    if example.quotes:
        yield f"{say('review_quotes')}:"
    for quote in example.quotes:
        yield f"  > {quote.text}"
