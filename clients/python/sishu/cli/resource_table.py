"""The resources that `sishu <resource> list|get|delete` reaches, a row each."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sishu.cli.output import CHUNK_COLUMNS, DOCUMENT_COLUMNS
from sishu.client import Client

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
