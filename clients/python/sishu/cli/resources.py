"""`sishu <resource> list|get|delete`: the same three commands for every resource, from one table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from google.protobuf.message import Message

from sishu.cli.context import with_client
from sishu.cli.example_options import ExampleOptions, example_filter
from sishu.cli.find import find_project, find_version, is_id
from sishu.cli.leaks import BENCHMARK_COLUMNS, CHECK_COLUMNS
from sishu.cli.options import IdArgument, LimitOption, ProjectOption, takes
from sishu.cli.output import CHUNK_COLUMNS, CONSOLE, DOCUMENT_COLUMNS, show_many, show_one
from sishu.cli.parse_options import chosen
from sishu.cli.providers import ProviderArgument, ProviderProjectOption, named_provider
from sishu.cli.question_filters import QuestionOptions, question_filter
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1 import benchmark_service_pb2, import_service_pb2, leak_check_service_pb2
from sishu.dataset.v1 import dataset_service_pb2 as dataset
from sishu.dataset.v1 import example_service_pb2 as example
from sishu.dataset.v1 import export_service_pb2 as exported
from sishu.dataset.v1.example_filter_pb2 import ExampleOrder
from sishu.errors import ApiError
from sishu.generation.v1 import generation_service_pb2 as generation
from sishu.generation.v1 import provider_service_pb2 as provider
from sishu.generation.v1 import question_service_pb2 as question
from sishu.inference.v1 import deployment_service_pb2 as deployment
from sishu.inference.v1 import exam_service_pb2 as exam
from sishu.ingest.v1 import chunk_service_pb2 as chunk
from sishu.ingest.v1 import document_service_pb2 as document
from sishu.ingest.v1 import project_service_pb2 as project
from sishu.ingest.v1 import section_service_pb2 as section
from sishu.trainer.v1 import model_service_pb2 as model
from sishu.trainer.v1 import training_service_pb2 as training


@dataclass(frozen=True)
class Resource:
    """How the commands of one resource reach it.

    Args:
        name: word on the command line.
        noun: word in the rpcs, such as `DatasetVersion`.
        stub: the service that keeps it.
        requests: the generated module with its request messages.
        columns: fields shown in the table.
        deletable: whether it has a delete rpc.
        gettable: whether it has a get rpc.
        by_document: whether `list` can be held to one document.
    """

    name: str
    noun: str
    stub: Callable[[Client], Any]
    requests: Any
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
        request = getattr(self.requests, f"{method}Request")(**fields)
        return getattr(self.stub(client), method)(request)


RESOURCES = (
    Resource(
        "project",
        "Project",
        lambda client: client.projects,
        project,
        ("id", "name", "description", "create_time"),
    ),
    Resource(
        "document",
        "Document",
        lambda client: client.documents,
        document,
        DOCUMENT_COLUMNS,
    ),
    Resource(
        "chunk",
        "Chunk",
        lambda client: client.chunks,
        chunk,
        CHUNK_COLUMNS,
        deletable=False,
        by_document=True,
    ),
    Resource(
        "section",
        "Section",
        lambda client: client.sections,
        section,
        ("id", "level", "title", "span.start", "page_start"),
        deletable=False,
        gettable=False,
        by_document=True,
    ),
    Resource(
        "provider",
        "Provider",
        lambda client: client.providers,
        provider,
        ("id", "name", "base_url", "deployment_id", "model", "has_api_key"),
    ),
    Resource(
        "generation",
        "Generation",
        lambda client: client.generations,
        generation,
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
        question,
        ("id", "type", "state", "known", "text", "answer.text", "rejection.reason"),
    ),
    Resource(
        "example",
        "Example",
        lambda client: client.examples,
        example,
        ("id", "kind", "state", "score", "review_state", "rejection.reason"),
    ),
    Resource(
        "import",
        "Import",
        lambda client: client.imports,
        import_service_pb2,
        ("id", "job.state", "file.name", "counts.rows", "counts.kept", "counts.bad", "create_time"),
        deletable=False,
    ),
    Resource(
        "benchmark",
        "Benchmark",
        lambda client: client.benchmarks,
        benchmark_service_pb2,
        BENCHMARK_COLUMNS,
    ),
    Resource(
        "leak-check",
        "LeakCheck",
        lambda client: client.leak_checks,
        leak_check_service_pb2,
        CHECK_COLUMNS,
    ),
    Resource(
        "dataset",
        "DatasetVersion",
        lambda client: client.datasets,
        dataset,
        ("id", "number", "tags", "state", "split_counts", "create_time"),
    ),
    Resource(
        "export",
        "Export",
        lambda client: client.exports,
        exported,
        ("id", "dataset_version_id", "state", "options.shape", "options.bundle", "create_time"),
    ),
    Resource(
        "run",
        "TrainingRun",
        lambda client: client.training,
        training,
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
        model,
        ("id", "name", "kind", "state", "parameter_count", "source", "failure.message"),
    ),
    Resource(
        "deployment",
        "Deployment",
        lambda client: client.deployments,
        deployment,
        ("id", "model_id", "state", "restarts", "failure.message"),
    ),
    Resource(
        "exam",
        "Exam",
        lambda client: client.exams,
        exam,
        ("id", "job.state", "item_count", "dataset_version_id"),
    ),
)


def commands(resource: Resource) -> typer.Typer:
    """The `list`, `get` and `delete` commands of a resource."""
    app = typer.Typer(no_args_is_help=True, help=say(resource.name))
    app.command("list", help=say("list"))(list_command(resource))

    if resource.gettable:

        def get(resource_id: IdArgument) -> None:
            get_named(resource_id, "")

        def get_named(resource_id: ProviderArgument, project: ProviderProjectOption = "") -> None:
            async def work(client: Client) -> Message:
                found_id = await resolved(client, resource, resource_id, project)
                answer = await resource.call(client, "Get", id=found_id)
                found: Message = getattr(answer, resource.field)
                return found

            show_one(with_client(work))

        app.command("get", help=say("get"))(get_named if resource.name == "provider" else get)

    if resource.deletable:

        def delete(resource_id: IdArgument) -> None:
            delete_named(resource_id, "")

        def delete_named(resource_id: ProviderArgument, project: ProviderProjectOption = "") -> None:
            async def work(client: Client) -> Message:
                found = await resolved(client, resource, resource_id, project)
                try:
                    answer: Message = await resource.call(client, "Delete", id=found)
                except ApiError as error:
                    # A project that is half deleted has its id only.
                    again = f"sishu {resource.name} delete {found}"
                    message = f"{error.message}; `{again}` tries again"
                    metadata = {**error.metadata, "again": again}
                    raise ApiError(error.code, error.reason, message, metadata=metadata) from error
                return answer

            answer = with_client(work)
            CONSOLE.print(say("deleted"))
            if answer.ByteSize():
                show_one(answer)

        app.command("delete", help=say("delete"))(delete_named if resource.name == "provider" else delete)

    return app


def list_command(resource: Resource) -> Callable[..., None]:
    """The `list` command; everything but projects and deployments is listed by project."""
    if resource.name in {"project", "deployment"}:
        return list_all_of(resource)
    if resource.by_document:
        return list_by_document(resource)
    return FILTERED.get(resource.name, list_by_project)(resource)


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
        listed(resource, limit, project_name, document_id=document_id, **shown)

    return list_of_document


def list_questions(resource: Resource) -> Callable[..., None]:
    """The `list` of questions with its filters."""

    @takes(QuestionOptions)
    def list_of_questions(
        project_name: ProjectOption, limit: LimitOption = 100, *, options: QuestionOptions
    ) -> None:
        async def work(client: Client) -> list[Message]:
            project_id = (await find_project(client, project_name)).id
            filters = await question_filter(client, options, project_id)
            return [one async for one in rows(client, resource, limit, project_id=project_id, **filters)]

        show_many(with_client(work), resource.columns)

    return list_of_questions


def list_examples(resource: Resource) -> Callable[..., None]:
    """The `list` of examples with its filters."""

    @takes(ExampleOptions)
    def list_of_examples(
        project_name: ProjectOption,
        order: Annotated[str, typer.Option(help=say("example_order"))] = "oldest",
        limit: LimitOption = 100,
        *,
        options: ExampleOptions,
    ) -> None:
        wanted = {"filter": example_filter(options), "order": chosen(ExampleOrder, "EXAMPLE_ORDER", order)}
        listed(resource, limit, project_name, **wanted)

    return list_of_examples


FILTERED = {"question": list_questions, "example": list_examples}
"""Lists of a project's that have filters of their own."""


def listed(resource: Resource, limit: int, project_name: str = "", **filters: Any) -> None:
    """Show the first `limit` resources in a table.

    Args:
        resource: which.
        limit: most of them.
        project_name: name or id of a project; empty for all.
        filters: further fields of the request.
    """

    async def work(client: Client) -> list[Message]:
        if project_name:
            filters["project_id"] = (await find_project(client, project_name)).id
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


async def resolved(client: Client, resource: Resource, name: str, project_name: str = "") -> str:
    """The id; a project may be given by name, a provider beside its project, a version by number or tag."""
    if resource.name == "dataset":
        return await find_version(client, name)
    if resource.name == "provider":
        return await named_provider(client, name, project_name)
    # By id also a project whose deletion failed in the middle, which is found no more.
    return name if resource.name != "project" or is_id(name) else (await find_project(client, name)).id
