"""`sishu example …`: list and count examples, change them one by one or by the thousand, and undo that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from sishu.cli.context import with_client
from sishu.cli.example_options import AuthorOption, ExampleOptions, example_filter, named_author, with_ids
from sishu.cli.find_names import tag_ids
from sishu.cli.find_projects import find_project
from sishu.cli.options import IdArgument, LimitOption, ProjectOption, takes
from sishu.cli.output import CONSOLE, as_json, show_fields, show_many, show_one
from sishu.cli.parse_options import chosen
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.common.v1.failure_pb2 import Failure
from sishu.common.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER
from sishu.dataset.v1 import example_change_service_pb2 as changes
from sishu.dataset.v1 import example_service_pb2 as pb
from sishu.dataset.v1.example_comment_pb2 import ExampleComment
from sishu.dataset.v1.example_filter_pb2 import ExampleFacet, ExampleFilter
from sishu.dataset.v1.example_pb2 import EXAMPLE_STATE_KEPT, EXAMPLE_STATE_REJECTED, Example
from sishu.dataset.v1.example_revision_pb2 import ExampleChange, ExampleRevision
from sishu.errors import ApiError
from sishu.learn.jobs import wait_for_success

IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="ID", help=say("example_ids"))]
MeantProjectOption = Annotated[str, typer.Option("--project", "-p", help=say("example_project"))]
AllOption = Annotated[bool, typer.Option("--all", help=say("example_all"))]
WhyOption = Annotated[str, typer.Option("--reason", help=say("example_why"))]
CodeOption = Annotated[str, typer.Option("--code", help=say("example_code"))]
QuestionOption = Annotated[str, typer.Option("--question", help=say("example_question"))]
AnswerOption = Annotated[str, typer.Option("--answer", help=say("example_answer"))]
BadAnswerOption = Annotated[str, typer.Option("--bad-answer", help=say("example_bad_answer"))]
ScoreOption = Annotated[float | None, typer.Option("--score", help=say("example_score"))]


@takes(ExampleOptions)
def count_examples(
    project: ProjectOption,
    by: Annotated[list[str] | None, typer.Option(help=say("example_by"))] = None,
    *,
    options: ExampleOptions,
) -> None:
    """`sishu example count`."""
    facets = [chosen(ExampleFacet, "EXAMPLE_FACET", one) for one in by or []]

    async def work(client: Client) -> pb.CountExamplesResponse:
        project_id = (await find_project(client, project)).id
        wanted = await with_ids(client, project_id, example_filter(options))
        request = pb.CountExamplesRequest(project_id=project_id, filter=wanted, facets=facets)
        return await client.examples.CountExamples(request)

    answer = with_client(work)
    if SETTINGS.json:
        print(as_json(answer))
        return
    CONSOLE.print(str(answer.total))
    for name, facet in zip(by or [], answer.facets, strict=True):
        CONSOLE.print(f"\n{name}")
        show_fields((str(one.count), one.value) for one in facet.counts)


def edit_example(
    example_id: IdArgument,
    question: QuestionOption = "",
    answer: AnswerOption = "",
    bad_answer: BadAnswerOption = "",
    score: ScoreOption = None,
    author: AuthorOption = "",
) -> None:
    """`sishu example edit`."""

    async def work(client: Client) -> Example:
        example = await got(client, example_id)
        paths = edited(example, question, answer, bad_answer, score)
        request = pb.UpdateExampleRequest(
            example=example, update_mask=FieldMask(paths=paths), author=named_author(author)
        )
        return (await client.examples.UpdateExample(request)).example

    show_one(with_client(work))


@takes(ExampleOptions)
def accept_examples(
    ids: IdsArgument = None,
    project: MeantProjectOption = "",
    all_: AllOption = False,
    author: AuthorOption = "",
    *,
    options: ExampleOptions,
) -> None:
    """`sishu example accept`."""
    change_all(ids, project, all_, options, state=EXAMPLE_STATE_KEPT, author=named_author(author))


@takes(ExampleOptions)
def reject_examples(
    ids: IdsArgument = None,
    project: MeantProjectOption = "",
    all_: AllOption = False,
    reason: WhyOption = "",
    code: CodeOption = "",
    author: AuthorOption = "",
    *,
    options: ExampleOptions,
) -> None:
    """`sishu example reject`."""
    rejection = Failure(message=reason, reason=code) if reason or code else None
    who = named_author(author)
    change_all(ids, project, all_, options, state=EXAMPLE_STATE_REJECTED, rejection=rejection, author=who)


@takes(ExampleOptions)
def label_examples(
    ids: IdsArgument = None,
    project: MeantProjectOption = "",
    all_: AllOption = False,
    add: Annotated[list[str] | None, typer.Option(help=say("example_add"))] = None,
    remove: Annotated[list[str] | None, typer.Option(help=say("example_remove"))] = None,
    add_tag: Annotated[list[str] | None, typer.Option(help=say("example_add_tag"))] = None,
    remove_tag: Annotated[list[str] | None, typer.Option(help=say("example_remove_tag"))] = None,
    score: ScoreOption = None,
    author: AuthorOption = "",
    *,
    options: ExampleOptions,
) -> None:
    """`sishu example label`."""
    change_all(
        ids,
        project,
        all_,
        options,
        add_labels=add,
        remove_labels=remove,
        add_tag_ids=add_tag,
        remove_tag_ids=remove_tag,
        score=score,
        author=named_author(author),
    )


@takes(ExampleOptions)
def replace_texts(
    ids: IdsArgument = None,
    project: MeantProjectOption = "",
    all_: AllOption = False,
    replace: Annotated[str, typer.Option(help=say("example_replace_text"))] = ...,  # type: ignore[assignment]
    by: Annotated[str, typer.Option(help=say("example_replace_by"))] = "",
    author: AuthorOption = "",
    *,
    options: ExampleOptions,
) -> None:
    """`sishu example replace`."""
    texts = [changes.TextReplacement(text=replace, replacement=by)]
    change_all(ids, project, all_, options, replace_texts=texts, author=named_author(author))


@takes(ExampleOptions)
def discard_examples(
    ids: IdsArgument = None,
    project: MeantProjectOption = "",
    all_: AllOption = False,
    author: AuthorOption = "",
    *,
    options: ExampleOptions,
) -> None:
    """`sishu example discard`."""
    wanted = meant(ids, all_, options)

    async def work(client: Client) -> ExampleChange:
        project_id = await project_of(client, project, wanted)
        await with_ids(client, project_id, wanted)
        await check_ids(client, project_id, wanted)
        request = changes.DeleteExamplesRequest(
            project_id=project_id, filter=wanted, author=named_author(author)
        )
        return await ended(client, (await client.example_changes.DeleteExamples(request)).example_change)

    show_change(with_client(work))


def comment_example(
    example_id: IdArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help=say("example_comment_text"))] = "",
    delete: Annotated[str, typer.Option(help=say("example_comment_delete"))] = "",
    author: AuthorOption = "",
    limit: LimitOption = 100,
) -> None:
    """`sishu example comment`."""
    comment = ExampleComment(example_id=example_id, author=named_author(author), text=text)

    async def work(client: Client) -> Sequence[ExampleComment]:
        if delete:
            await client.examples.DeleteExampleComment(pb.DeleteExampleCommentRequest(id=delete))
        if text:
            request = pb.CreateExampleCommentRequest(example_comment=comment)
            return [(await client.examples.CreateExampleComment(request)).example_comment]
        listing = pb.ListExampleCommentsRequest(example_id=example_id, page_size=limit)
        return (await client.examples.ListExampleComments(listing)).example_comments

    show_many(with_client(work), ("id", "author", "create_time", "text"))


def list_history(example_id: IdArgument, limit: LimitOption = 100) -> None:
    """`sishu example history`."""

    async def work(client: Client) -> Sequence[ExampleRevision]:
        request = changes.ListExampleRevisionsRequest(example_id=example_id, page_size=limit)
        return (await client.example_changes.ListExampleRevisions(request)).example_revisions

    show_many(with_client(work), ("number", "change_id", "author", "create_time", "changed_fields"))


def undo_change(
    change_id: Annotated[str, typer.Argument(metavar="CHANGE", help=say("example_change_id"))],
    author: AuthorOption = "",
) -> None:
    """`sishu example undo`."""

    async def work(client: Client) -> ExampleChange:
        request = changes.UndoExampleChangeRequest(change_id=change_id, author=named_author(author))
        return await ended(client, (await client.example_changes.UndoExampleChange(request)).example_change)

    show_change(with_client(work))


def change_all(
    ids: Sequence[str] | None, project: str, all_: bool, options: ExampleOptions, **fields: Any
) -> None:
    """Change the examples that are meant, and wait until that is done."""
    wanted = meant(ids, all_, options)

    async def work(client: Client) -> ExampleChange:
        project_id = await project_of(client, project, wanted)
        await with_ids(client, project_id, wanted)
        await check_ids(client, project_id, wanted)
        request = changes.UpdateExamplesRequest(project_id=project_id, filter=wanted, **fields)
        for tags in (request.add_tag_ids, request.remove_tag_ids):
            tags[:] = await tag_ids(client, project_id, tags)
        return await ended(client, (await client.example_changes.UpdateExamples(request)).example_change)

    show_change(with_client(work))


def meant(ids: Sequence[str] | None, all_: bool, options: ExampleOptions) -> ExampleFilter:
    """Which examples are meant.

    Raises:
        ApiError: nothing says so.
    """
    wanted = example_filter(options)
    wanted.example_ids.extend(ids or [])
    if not wanted.ByteSize() and not all_:
        raise ApiError("INVALID_ARGUMENT", "EXAMPLES_MISSING", say("wrong_which"))
    return wanted


async def check_ids(client: Client, project_id: str, wanted: ExampleFilter) -> None:
    """Demand that every id that was given is of an example of the project.

    Raises:
        ApiError: some are not.
    """
    ids = set(wanted.example_ids)
    if ids:
        request = pb.CountExamplesRequest(project_id=project_id, filter=ExampleFilter(example_ids=ids))
        missing = len(ids) - (await client.examples.CountExamples(request)).total
        if missing:
            raise ApiError("NOT_FOUND", "EXAMPLES_MISSING", say("wrong_ids").format(missing, len(ids)))


async def project_of(client: Client, project: str, wanted: ExampleFilter) -> str:
    """The project: that which is named, else that of the first example.

    Raises:
        ApiError: nothing says so.
    """
    if project:
        return (await find_project(client, project)).id
    if not wanted.example_ids:
        raise ApiError("INVALID_ARGUMENT", "PROJECT_MISSING", say("wrong_project"))
    return (await got(client, wanted.example_ids[0])).project_id


async def got(client: Client, example_id: str) -> Example:
    """One example."""
    return (await client.examples.GetExample(pb.GetExampleRequest(id=example_id))).example


async def ended(client: Client, change: ExampleChange) -> ExampleChange:
    """A change when its job has ended."""
    await wait_for_success(client, "dataset", change.job)
    return (
        await client.example_changes.GetExampleChange(changes.GetExampleChangeRequest(id=change.id))
    ).example_change


def show_change(change: ExampleChange) -> None:
    """Say what a change has done."""
    if SETTINGS.json:
        print(as_json(change))
        return
    told = say("changed_count").format(change.changed, change.skipped, change.id)
    CONSOLE.print(told, markup=False, highlight=False, soft_wrap=True)


def edited(
    example: Example, question: str = "", answer: str = "", bad_answer: str = "", score: float | None = None
) -> list[str]:
    """Change what an example says; return the fields that are other.

    Raises:
        ApiError: nothing is to change, or there is no such answer.
    """
    paths = set[str]()
    preference = example.HasField("preference")
    for role, text in ((ROLE_USER, question), (ROLE_ASSISTANT, "" if preference else answer)):
        if text:
            last(example, role).content = text
            paths.add("messages")
    for side, text in (("chosen", answer if preference else ""), ("rejected", bad_answer)):
        if text:
            if not preference:
                raise ApiError("INVALID_ARGUMENT", "ANSWER_MISSING", say("wrong_answer"))
            message = getattr(example.preference, side)
            message.role, message.content = ROLE_ASSISTANT, text
            paths.add("preference")
    if score is not None:
        example.score = score
        paths.add("score")
    if not paths:
        raise ApiError("INVALID_ARGUMENT", "NOTHING_CHANGES", say("wrong_nothing"))
    return sorted(paths)


def last(example: Example, role: int) -> Any:
    """The last message of a role.

    Raises:
        ApiError: there is none.
    """
    for message in reversed(example.messages):
        if message.role == role:
            return message
    raise ApiError("INVALID_ARGUMENT", "ANSWER_MISSING", say("wrong_answer"))
