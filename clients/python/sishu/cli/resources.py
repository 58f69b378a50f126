"""`sishu <resource> list|get|delete`: the same three commands for every resource, from one table."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from google.protobuf.message import Message

from sishu.cli.action_table import ACTIONS
from sishu.cli.context import with_client
from sishu.cli.find_projects import find_project, is_id
from sishu.cli.late import found_at
from sishu.cli.options import IdArgument, LimitOption, ProjectOption
from sishu.cli.output import CHUNK_COLUMNS, DOCUMENT_COLUMNS, show_deleted, show_many, show_one
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError

BENCHMARK_COLUMNS = ("id", "name", "job.state", "counts.rows", "counts.bad", "sha256", "create_time")
CHECK_COLUMNS = (
    "id",
    "job.state",
    "counts.examples",
    "counts.leaking_examples",
    "counts.shared_words",
    "counts.near_copies",
    "counts.meaning",
)


@dataclass(frozen=True)
class Resource:
    """How the commands of one resource reach it.

    Args:
        name: word on the command line.
        noun: word in the rpcs, such as `DatasetVersion`.
        stub: the service that keeps it.
        requests: its proto file within `sishu`, which has the request messages.
        columns: fields shown in the table.
        deletable: whether it has a delete rpc.
        gettable: whether it has a get rpc.
        by_document: whether `list` can be held to one document.
    """

    name: str
    noun: str
    stub: Callable[[Client], Any]
    requests: str
    columns: Sequence[str]
    deletable: bool = True
    gettable: bool = True
    by_document: bool = False

    @property
    def field(self) -> str:
        """Name of the resource's field in responses: `dataset_version`."""
        return "".join(f"_{char.lower()}" if char.isupper() else char for char in self.noun).lstrip("_")

    def call(self, client: Client, verb: str, plural: str = "", **fields: Any) -> Any:
        """Call `<verb><noun>` with a request of these fields."""
        method = f"{verb}{self.noun}{plural}"
        module = importlib.import_module(f"sishu.{self.requests}_pb2")
        request = getattr(module, f"{method}Request")(**fields)
        return getattr(self.stub(client), method)(request)


RESOURCES = (
    Resource(
        "project",
        "Project",
        lambda client: client.projects,
        "ingest.v1.project_service",
        ("id", "name", "description", "create_time"),
    ),
    Resource(
        "document",
        "Document",
        lambda client: client.documents,
        "ingest.v1.document_service",
        DOCUMENT_COLUMNS,
    ),
    Resource(
        "chunk",
        "Chunk",
        lambda client: client.chunks,
        "ingest.v1.chunk_service",
        CHUNK_COLUMNS,
        deletable=False,
        by_document=True,
    ),
    Resource(
        "section",
        "Section",
        lambda client: client.sections,
        "ingest.v1.section_service",
        ("id", "level", "title", "span.start", "page_start"),
        deletable=False,
        gettable=False,
        by_document=True,
    ),
    Resource(
        "provider",
        "Provider",
        lambda client: client.providers,
        "generation.v1.provider_service",
        ("id", "name", "base_url", "deployment_id", "model", "has_api_key"),
    ),
    Resource(
        "generation",
        "Generation",
        lambda client: client.generations,
        "generation.v1.generation_service",
        (
            "id",
            "options.kind",
            "job.state",
            "stats.questions",
            "stats.answered",
            "stats.rejected",
            "stats.kept_candidates",
            "stats.rejected_candidates",
            "create_time",
        ),
    ),
    Resource(
        "question",
        "Question",
        lambda client: client.questions,
        "generation.v1.question_service",
        ("id", "type", "state", "known", "text", "answer.text", "rejection.reason"),
    ),
    Resource(
        "example",
        "Example",
        lambda client: client.examples,
        "dataset.v1.example_service",
        ("id", "kind", "state", "score", "review_state", "rejection.reason"),
    ),
    Resource(
        "import",
        "Import",
        lambda client: client.imports,
        "dataset.v1.import_service",
        ("id", "job.state", "file.name", "counts.rows", "counts.kept", "counts.bad", "create_time"),
        deletable=False,
    ),
    Resource(
        "benchmark",
        "Benchmark",
        lambda client: client.benchmarks,
        "dataset.v1.benchmark_service",
        BENCHMARK_COLUMNS,
    ),
    Resource(
        "leak-check",
        "LeakCheck",
        lambda client: client.leak_checks,
        "dataset.v1.leak_check_service",
        CHECK_COLUMNS,
    ),
    Resource(
        "dataset",
        "DatasetVersion",
        lambda client: client.datasets,
        "dataset.v1.dataset_service",
        ("id", "number", "tags", "state", "split_counts", "create_time"),
    ),
    Resource(
        "export",
        "Export",
        lambda client: client.exports,
        "dataset.v1.export_service",
        ("id", "dataset_version_id", "state", "options.shape", "options.bundle", "create_time"),
    ),
    Resource(
        "run",
        "TrainingRun",
        lambda client: client.training,
        "trainer.v1.training_service",
        (
            "id",
            "name",
            "state",
            "summary.steps",
            "summary.steps_total",
            "summary.loss_last",
            "failure.message",
        ),
    ),
    Resource(
        "model",
        "Model",
        lambda client: client.models,
        "trainer.v1.model_service",
        ("id", "name", "kind", "state", "parameter_count", "source", "failure.message"),
    ),
    Resource(
        "deployment",
        "Deployment",
        lambda client: client.deployments,
        "inference.v1.deployment_service",
        ("id", "model_id", "state", "restarts", "failure.message"),
    ),
    Resource(
        "conversation",
        "Conversation",
        lambda client: client.conversations,
        "inference.v1.conversation_service",
        ("id", "title", "message_count", "update_time"),
    ),
    Resource(
        "exam",
        "Exam",
        lambda client: client.exams,
        "inference.v1.exam_service",
        ("id", "job.state", "item_count", "dataset_version_id"),
    ),
)


def commands_of(name: str) -> typer.Typer:
    """The commands of the resource of this name."""
    return commands(next(one for one in RESOURCES if one.name == name))


def commands(resource: Resource) -> typer.Typer:
    """The commands of a resource: `list`, `get`, `delete`, and what else there is."""
    app = typer.Typer(no_args_is_help=True, help=say(resource.name))
    app.command("list", help=say("list"))(own(resource, "list") or list_command(resource))
    if resource.gettable:
        app.command("get", help=say("get"))(own(resource, "get") or get_command(resource))
    if resource.deletable:
        app.command("delete", help=say("delete"))(own(resource, "delete") or delete_command(resource))
    for name, text, place in ACTIONS.get(resource.name, []):
        app.command(name, help=say(text))(found_at(place))
    return app


def own(resource: Resource, verb: str) -> Callable[..., None] | None:
    """The command of a resource that takes more than others of its name, if there is one."""
    place = OWN.get((resource.name, verb))
    return found_at(place)(resource) if place else None


OWN = {
    ("question", "list"): "filtered_lists:list_questions",
    ("example", "list"): "filtered_lists:list_examples",
    ("run", "get"): "run_watch:get_run",
    ("provider", "get"): "named_providers:get_provider",
    ("provider", "delete"): "named_providers:delete_provider",
}
"""Commands with options of their own, which are read only when they are wanted."""


def get_command(resource: Resource) -> Callable[..., None]:
    """The `get` command."""

    def get(resource_id: IdArgument) -> None:
        show_found(resource, lambda client: resolved(client, resource, resource_id))

    return get


def show_found(resource: Resource, find: Callable[[Client], Awaitable[str]]) -> None:
    """Show a resource whole."""

    async def work(client: Client) -> Message:
        answer = await resource.call(client, "Get", id=await find(client))
        found: Message = getattr(answer, resource.field)
        return found

    show_one(with_client(work))


def delete_command(resource: Resource) -> Callable[..., None]:
    """The `delete` command."""

    def delete(resource_id: IdArgument) -> None:
        delete_found(resource, lambda client: resolved(client, resource, resource_id))

    return delete


def delete_found(resource: Resource, find: Callable[[Client], Awaitable[str]]) -> None:
    """Delete a resource, and show what that has counted."""

    async def work(client: Client) -> Message:
        found = await find(client)
        try:
            answer: Message = await resource.call(client, "Delete", id=found)
        except ApiError as error:
            if error.code in FINAL:
                raise
            # A project that is half deleted has its id only.
            again = f"sishu {resource.name} delete {found}"
            message = f"{error.message}; `{again}` tries again"
            metadata = {**error.metadata, "again": again}
            raise ApiError(error.code, error.reason, message, metadata=metadata) from error
        return answer

    show_deleted(with_client(work))


FINAL = {"NOT_FOUND", "INVALID_ARGUMENT"}
"""Codes of errors after which the same command fails again."""


def list_command(resource: Resource) -> Callable[..., None]:
    """The `list` command; everything but projects and deployments is listed by project."""
    if resource.name in {"project", "deployment"}:
        return list_all_of(resource)
    if resource.by_document:
        return list_by_document(resource)
    return list_by_project(resource)


def list_all_of(resource: Resource) -> Callable[..., None]:
    """A `list` of all that there are."""

    def list_all(limit: LimitOption = 100) -> None:
        listed(resource, limit)

    return list_all


def list_by_project(resource: Resource) -> Callable[..., None]:
    """A `list` of a project's."""

    def list_of_project(project_name: ProjectOption, limit: LimitOption = 100) -> None:
        listed(resource, limit, project_name)

    return list_of_project


def list_by_document(resource: Resource) -> Callable[..., None]:
    """A `list` of a project's, or of one document."""

    def list_of_document(
        project_name: ProjectOption,
        document_id: Annotated[str, typer.Option("--document", help=say("option_document"))] = "",
        excluded: Annotated[bool, typer.Option("--excluded", help=say("option_excluded"))] = False,
        limit: LimitOption = 100,
    ) -> None:
        shown: dict[str, Any] = {"show_excluded": True} if excluded and resource.name == "chunk" else {}
        listed(resource, limit, project_name, document=document_id, **shown)

    return list_of_document


def listed(
    resource: Resource, limit: int, project_name: str = "", document: str = "", **filters: Any
) -> None:
    """Show the first `limit` resources in a table.

    Args:
        resource: which.
        limit: most of them.
        project_name: name or id of a project; empty for all.
        document: name or id of a document; empty for all.
        filters: further fields of the request.
    """

    async def work(client: Client) -> list[Message]:
        if project_name:
            filters["project_id"] = (await find_project(client, project_name)).id
        if document:
            found = await found_at("find_names:document_ids")(client, filters["project_id"], [document])
            filters["document_id"] = found[0]
        return [message async for message in rows(client, resource, limit, **filters)]

    show_many(with_client(work), resource.columns)


async def rows(client: Client, resource: Resource, limit: int, **filters: Any) -> AsyncIterator[Message]:
    """The first `limit` resources, page by page."""
    token = ""
    while limit > 0:
        page = await resource.call(
            client, "List", "s", page_size=min(limit, 1000), page_token=token, **filters
        )
        for message in getattr(page, f"{resource.field}s"):
            yield message
            limit -= 1
        token = page.next_page_token
        if not token:
            return


async def resolved(client: Client, resource: Resource, name: str) -> str:
    """The id; a project may be given by name, a version by number or tag."""
    if resource.name == "dataset":
        version_id: str = await found_at("find:find_version")(client, name)
        return version_id
    # By id also a project whose deletion failed in the middle, which is found no more.
    return name if resource.name != "project" or is_id(name) else (await find_project(client, name)).id
