"""`sishu dedupe`: examples that say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.documents import first
from sishu.cli.example_options import AuthorOption, named_author
from sishu.cli.example_words import answer_of, question_of
from sishu.cli.find import find_provider
from sishu.cli.find_projects import find_project
from sishu.cli.grids import cut
from sishu.cli.options import IdArgument, LimitOption, ProjectOption, WaitOption, need
from sishu.cli.output import CONSOLE, show_deleted, show_lines, show_many, show_one, value_at
from sishu.cli.parse_options import chosen
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1 import deduplication_service_pb2 as pb
from sishu.dataset.v1.deduplication_pb2 import (
    COMPARED_BY_SAID,
    ComparedBy,
    Deduplication,
    DeduplicationOptions,
    DuplicateCluster,
)
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from sishu.dataset.v1.example_pb2 import ExampleState
from sishu.dataset.v1.example_service_pb2 import ListExamplesRequest
from sishu.learn.jobs import wait_for_success

app = typer.Typer(no_args_is_help=True, help=say("dedupe"))

AT_ONCE = 1000
"""Examples that are asked for in one call."""
LONGEST_LINE = 500
"""Columns that a text takes where there is no screen."""
SEARCH_COLUMNS = (
    "id",
    "job.state",
    "counts.clusters",
    "counts.duplicates",
    "counts.near_copies",
    "counts.meaning_copies",
    "rejected",
)


@app.command("create", help=say("dedupe_create"))
def create_search(
    project: ProjectOption,
    threshold: Annotated[float | None, typer.Option(help=say("dedupe_threshold"))] = None,
    by: Annotated[str, typer.Option(help=say("dedupe_by"))] = "asked",
    embedding_provider: Annotated[str, typer.Option(help=say("dedupe_embedding_provider"))] = "",
    meaning_similarity: Annotated[float | None, typer.Option(help=say("dedupe_meaning_similarity"))] = None,
    state: Annotated[str, typer.Option(help=say("dedupe_state"))] = "",
    label: Annotated[list[str] | None, typer.Option(help=say("dedupe_label"))] = None,
    wait: WaitOption = False,
) -> None:
    """Start a search; with --wait print what it has found."""
    if meaning_similarity is not None:
        need(embedding_provider, "--meaning-similarity", "--embedding-provider NAME")
    states = [chosen(ExampleState, "EXAMPLE_STATE", state)] if state else []
    compared_by = chosen(ComparedBy, "COMPARED_BY", by)

    async def work(client: Client) -> Deduplication:
        owner = await find_project(client, project)
        provider = await find_provider(client, owner.id, embedding_provider) if embedding_provider else ""
        wanted = Deduplication(
            project_id=owner.id,
            filter=ExampleFilter(states=states, labels=label or ()),
            options=DeduplicationOptions(
                compared_by=compared_by,
                threshold=threshold,
                embedding_provider_id=provider,
                meaning_similarity=meaning_similarity,
            ),
        )
        request = pb.CreateDeduplicationRequest(deduplication=wanted)
        made = (await client.deduplications.CreateDeduplication(request)).deduplication
        if not wait:
            return made
        await wait_for_success(client, "dataset", made.job)
        return await got(client, made.id)

    show_one(with_client(work))


@app.command("list", help=say("list"))
def list_searches(project: ProjectOption, limit: LimitOption = 100) -> None:
    """Print the searches of a project, newest first."""

    async def work(client: Client) -> list[Deduplication]:
        request = pb.ListDeduplicationsRequest(project_id=(await find_project(client, project)).id)
        return await first(client.deduplications.ListDeduplications, request, "deduplications", limit)

    show_many(with_client(work), SEARCH_COLUMNS)


@app.command("get", help=say("get"))
def get_search(search_id: IdArgument) -> None:
    """Print a search whole."""
    show_one(with_client(lambda client: got(client, search_id)))


@app.command("clusters", help=say("dedupe_clusters"))
def list_clusters(search_id: IdArgument, limit: LimitOption = 100) -> None:
    """Print the clusters that a search has found."""

    async def work(client: Client) -> tuple[list[DuplicateCluster], Mapping[str, str]]:
        request = pb.ListDuplicateClustersRequest(deduplication_id=search_id)
        found: list[DuplicateCluster] = await first(
            client.deduplications.ListDuplicateClusters, request, "duplicate_clusters", limit
        )
        return found, {} if SETTINGS.json else await texts_of(client, search_id, found)

    clusters, texts = with_client(work)
    if SETTINGS.json:
        show_many(clusters, ())
        return
    for cluster in clusters:
        show_lines(lines_of(cluster, texts, min(CONSOLE.columns, LONGEST_LINE)))


async def texts_of(client: Client, search_id: str, clusters: Sequence[DuplicateCluster]) -> Mapping[str, str]:
    """What the examples of clusters say, by their ids; none of those that were deleted since."""
    search = await got(client, search_id)
    by_said = search.options.compared_by == COMPARED_BY_SAID
    ids = [one for cluster in clusters for one in (cluster.keeper_id, *ids_of(cluster))]
    texts = {}
    for at in range(0, len(ids), AT_ONCE):
        wanted = ExampleFilter(example_ids=ids[at : at + AT_ONCE])
        request = ListExamplesRequest(project_id=search.project_id, filter=wanted)
        for example in await first(client.examples.ListExamples, request, "examples", AT_ONCE):
            asked, answered = question_of(example), answer_of(example)
            texts[example.id] = " → ".join(filter(None, (asked, answered))) if by_said else asked or answered
    return texts


def ids_of(cluster: DuplicateCluster) -> list[str]:
    """Those that are shown beside the keeper."""
    return [one.example_id for one in cluster.duplicates]


def lines_of(
    cluster: DuplicateCluster, texts: Mapping[str, str] | None = None, width: int = LONGEST_LINE
) -> Iterator[str]:
    """A cluster in lines: who is kept, how like that one the others are, and below each what it says."""
    said = texts or {}
    yield say("dedupe_cluster").format(cluster.number, cluster.size, cluster.keeper_id)
    if text := said.get(cluster.keeper_id):
        yield cut(f"   {text}", width)
    for one in cluster.duplicates:
        yield f"   {one.example_id}  {one.similarity:.3f}  {value_at(one, 'kind')}"
        if text := said.get(one.example_id):
            yield cut(f"      {text}", width)
    unseen = cluster.size - 1 - len(cluster.duplicates)
    if unseen > 0:
        yield f"   +{unseen}"


@app.command("apply", help=say("dedupe_apply"))
def apply_search(
    search_id: IdArgument,
    author: AuthorOption = "",
    wait: WaitOption = False,
) -> None:
    """Reject the duplicates that a search has found."""

    async def work(client: Client) -> Deduplication:
        request = pb.ApplyDeduplicationRequest(id=search_id, author=named_author(author))
        begun = (await client.deduplications.ApplyDeduplication(request)).deduplication
        if not wait:
            return begun
        await wait_for_success(client, "dataset", begun.apply_job)
        return await got(client, search_id)

    search = with_client(work)
    show_one(search)
    if not SETTINGS.json:
        words = say("dedupe_applied" if wait else "dedupe_applying")
        told = words.format(search.rejected, search.skipped, search.change_id)
        CONSOLE.print(told, markup=False, highlight=False, soft_wrap=True)


@app.command("delete", help=say("delete"))
def delete_search(search_id: IdArgument) -> None:
    """Delete a search and what it has found."""

    async def work(client: Client) -> pb.DeleteDeduplicationResponse:
        return await client.deduplications.DeleteDeduplication(pb.DeleteDeduplicationRequest(id=search_id))

    show_deleted(with_client(work))


async def got(client: Client, search_id: str) -> Deduplication:
    """A search."""
    request = pb.GetDeduplicationRequest(id=search_id)
    return (await client.deduplications.GetDeduplication(request)).deduplication
