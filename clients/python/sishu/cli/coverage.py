"""`sishu coverage`: what of the documents questions are about, section by section."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, TypeVar

import typer

from sishu.cli.context import with_client
from sishu.cli.find_names import document_ids
from sishu.cli.find_projects import find_project
from sishu.cli.options import LimitOption
from sishu.cli.output import CONSOLE, ERRORS, as_json
from sishu.cli.settings import SETTINGS
from sishu.cli.tables import WholeTable
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1 import example_service_pb2
from sishu.generation.v1 import coverage_service_pb2 as pb
from sishu.generation.v1.coverage_pb2 import Coverage
from sishu.ingest.v1.document_service_pb2 import GetDocumentRequest
from sishu.learn.jobs import wait_for_success
from sishu.learn.progress import ProgressDisplay, watching

SEPARATOR = " > "
T = TypeVar("T", pb.MarkSourcesResponse, example_service_pb2.MarkSourcesResponse)


def coverage(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help=say("coverage_project"))],
    fewer_than: Annotated[int, typer.Option(min=0, help=say("coverage_fewer"))] = 0,
    document: Annotated[str, typer.Option(help=say("coverage_document"))] = "",
    generation: Annotated[str, typer.Option(help=say("coverage_generation"))] = "",
    mark: Annotated[bool, typer.Option("--mark", help=say("coverage_mark"))] = False,
    limit: LimitOption = 100,
) -> None:
    """`sishu coverage`."""
    request = pb.ListCoverageRequest(generation_id=generation, fewer_facts_than=fewer_than)

    async def work(client: Client) -> tuple[list[Coverage], dict[str, str]]:
        request.project_id = (await find_project(client, project)).id
        if document:
            (request.document_id,) = await document_ids(client, request.project_id, [document])
        if mark:
            await marked(client, request.project_id)
        found = await first(client, request, limit)
        return found, {} if SETTINGS.json else await names(client, found)

    found, named = with_client(work)
    if SETTINGS.json:
        for one in found:
            print(as_json(one))
    else:
        show(found, named)


async def marked(client: Client, project_id: str) -> None:
    """Mark what was written about chunks that are gone, and say how many that are."""
    wanted = pb.MarkSourcesRequest(project_id=project_id, request_id=str(uuid.uuid4()))
    marks = await followed(client, "generation", lambda: client.coverage.MarkSources(wanted))
    ERRORS.print(say("coverage_marked").format(marks.marked, marks.unmarked), highlight=False)
    # Examples take it over from their questions.
    theirs = example_service_pb2.MarkSourcesRequest(project_id=project_id, request_id=str(uuid.uuid4()))
    examples = await followed(client, "dataset", lambda: client.examples.MarkSources(theirs))
    ERRORS.print(say("coverage_examples").format(examples.marked, examples.unmarked), highlight=False)


async def followed(client: Client, room: str, mark: Callable[[], Awaitable[T]]) -> T:
    """Start a job of marking and wait for it; what it has marked."""
    started = await mark()
    async with ProgressDisplay(ERRORS).stage(say("coverage_marking")) as stage:
        await wait_for_success(client, room, started.job, watching(stage))
    # The same request again tells what the job has done.
    return await mark()


async def first(client: Client, request: pb.ListCoverageRequest, limit: int) -> list[Coverage]:
    """The coverage of the first sections of a list, page by page; a page may be empty."""
    found: list[Coverage] = []
    while len(found) < limit:
        request.page_size = min(limit - len(found), 1000)
        page = await client.coverage.ListCoverage(request)
        found += page.coverage
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    return found


async def names(client: Client, found: list[Coverage]) -> dict[str, str]:
    """The names of documents, by their ids."""
    return {
        one: (await client.documents.GetDocument(GetDocumentRequest(id=one))).document.name
        for one in dict.fromkeys(one.document_id for one in found)
    }


def show(found: list[Coverage], named: Mapping[str, str]) -> None:
    """Print a table, under the name of each document."""
    table = WholeTable(box=None, pad_edge=False)
    table.add_column(say("coverage_section"), ratio=1)
    for name in ("sentences", "questions", "forms"):
        table.add_column(say(f"coverage_{name}"), justify="right", max_width=10)
    for one in found:
        section = SEPARATOR.join([named[one.document_id], *one.heading_path])
        table.add_row(
            section,
            f"{one.answered_facts}/{one.sentences}",
            str(one.questions),
            f"{one.forms_per_fact:.1f}",
        )
    CONSOLE.print(table, markup=False, highlight=False)
