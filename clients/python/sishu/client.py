"""A typed client for the five rooms over `grpc.aio`.

    async with Client(addresses) as sishu:
        answer = await sishu.projects.ListProjects(project_service_pb2.ListProjectsRequest())

Every call has a deadline, carries token and request id, is repeated while no room answers, and raises
`ApiError` when it fails.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import grpc

from sishu.calls import StreamCalls, UnaryCalls
from sishu.loopback import is_loopback

if TYPE_CHECKING:
    # The generator types asynchronous stubs apart; at run time there is one class for both.
    from sishu.common.v1.job_service_pb2_grpc import JobServiceAsyncStub
    from sishu.common.v1.project_data_service_pb2_grpc import ProjectDataServiceAsyncStub
    from sishu.dataset.v1.benchmark_service_pb2_grpc import BenchmarkServiceAsyncStub
    from sishu.dataset.v1.dataset_service_pb2_grpc import DatasetServiceAsyncStub
    from sishu.dataset.v1.deduplication_service_pb2_grpc import DeduplicationServiceAsyncStub
    from sishu.dataset.v1.example_change_service_pb2_grpc import ExampleChangeServiceAsyncStub
    from sishu.dataset.v1.example_service_pb2_grpc import ExampleServiceAsyncStub
    from sishu.dataset.v1.export_service_pb2_grpc import ExportServiceAsyncStub
    from sishu.dataset.v1.import_service_pb2_grpc import ImportServiceAsyncStub
    from sishu.dataset.v1.leak_check_service_pb2_grpc import LeakCheckServiceAsyncStub
    from sishu.dataset.v1.review_service_pb2_grpc import ReviewServiceAsyncStub
    from sishu.dataset.v1.statistics_service_pb2_grpc import StatisticsServiceAsyncStub
    from sishu.generation.v1.candidate_service_pb2_grpc import CandidateServiceAsyncStub
    from sishu.generation.v1.coverage_service_pb2_grpc import CoverageServiceAsyncStub
    from sishu.generation.v1.embedding_service_pb2_grpc import EmbeddingServiceAsyncStub
    from sishu.generation.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub
    from sishu.generation.v1.genre_audience_service_pb2_grpc import GenreAudienceServiceAsyncStub
    from sishu.generation.v1.prompt_service_pb2_grpc import PromptServiceAsyncStub
    from sishu.generation.v1.provider_service_pb2_grpc import ProviderServiceAsyncStub
    from sishu.generation.v1.question_service_pb2_grpc import QuestionServiceAsyncStub
    from sishu.generation.v1.question_template_service_pb2_grpc import QuestionTemplateServiceAsyncStub
    from sishu.generation.v1.tag_service_pb2_grpc import TagServiceAsyncStub
    from sishu.inference.v1.chat_service_pb2_grpc import ChatServiceAsyncStub
    from sishu.inference.v1.conversation_service_pb2_grpc import ConversationServiceAsyncStub
    from sishu.inference.v1.deployment_service_pb2_grpc import DeploymentServiceAsyncStub
    from sishu.inference.v1.exam_service_pb2_grpc import ExamServiceAsyncStub
    from sishu.ingest.v1.chunk_service_pb2_grpc import ChunkServiceAsyncStub
    from sishu.ingest.v1.document_service_pb2_grpc import DocumentServiceAsyncStub
    from sishu.ingest.v1.project_service_pb2_grpc import ProjectServiceAsyncStub
    from sishu.ingest.v1.section_service_pb2_grpc import SectionServiceAsyncStub
    from sishu.trainer.v1.estimate_service_pb2_grpc import EstimateServiceAsyncStub
    from sishu.trainer.v1.model_service_pb2_grpc import ModelServiceAsyncStub
    from sishu.trainer.v1.trainer_node_service_pb2_grpc import TrainerNodeServiceAsyncStub
    from sishu.trainer.v1.training_service_pb2_grpc import TrainingServiceAsyncStub
    from sishu.trainer.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub

CALL_SECONDS = 60.0

PATIENCE_SECONDS = 3.0
"""How long a room that does not answer is asked again."""

CHANNEL_OPTIONS = [
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.max_receive_message_length", 16 * 2**20),
    # A room that starts again is back within seconds; the library would wait for minutes at last.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


def channel_options(address: str) -> list[tuple[str, int]]:
    """The options of a connection; one to this machine does not go by the proxy of the environment."""
    return [*CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0)] if is_loopback(address) else CHANNEL_OPTIONS


def service(room: str, name: str) -> Any:
    """An attribute of a client: the calls of a service, read when they are first asked for.

    Args:
        room: the service's room.
        name: the proto file within `sishu`, such as `ingest.v1.project_service`.
    """
    return cached_property(lambda client: client.stub(room, name))


class Client:
    """The services of all rooms.

    Args:
        addresses: `host:port` of every room, by its name.
        token: bearer token, where the rooms demand one.
        seconds: deadline of a unary call that sets none itself.
        patience: seconds for which a room that does not answer is asked again.
    """

    projects: ProjectServiceAsyncStub = service("ingest", "ingest.v1.project_service")
    """Projects, in the ingest room."""
    documents: DocumentServiceAsyncStub = service("ingest", "ingest.v1.document_service")
    """Documents, in the ingest room."""
    chunks: ChunkServiceAsyncStub = service("ingest", "ingest.v1.chunk_service")
    """Chunks, in the ingest room."""
    sections: SectionServiceAsyncStub = service("ingest", "ingest.v1.section_service")
    """Sections, in the ingest room."""
    providers: ProviderServiceAsyncStub = service("generation", "generation.v1.provider_service")
    """Providers, in the generation room."""
    embeddings: EmbeddingServiceAsyncStub = service("generation", "generation.v1.embedding_service")
    """Embeddings of texts, in the generation room."""
    generations: GenerationServiceAsyncStub = service("generation", "generation.v1.generation_service")
    """Generations, in the generation room."""
    prompts: PromptServiceAsyncStub = service("generation", "generation.v1.prompt_service")
    """Prompts, in the generation room."""
    questions: QuestionServiceAsyncStub = service("generation", "generation.v1.question_service")
    """Questions, in the generation room."""
    question_templates: QuestionTemplateServiceAsyncStub = service(
        "generation", "generation.v1.question_template_service"
    )
    """Question templates, in the generation room."""
    tags: TagServiceAsyncStub = service("generation", "generation.v1.tag_service")
    """Tags, in the generation room."""
    genre_audiences: GenreAudienceServiceAsyncStub = service(
        "generation", "generation.v1.genre_audience_service"
    )
    """Genre-audience pairs, in the generation room."""
    examples: ExampleServiceAsyncStub = service("dataset", "dataset.v1.example_service")
    """Examples, in the dataset room."""
    example_changes: ExampleChangeServiceAsyncStub = service("dataset", "dataset.v1.example_change_service")
    """Changes of examples, in the dataset room."""
    reviews: ReviewServiceAsyncStub = service("dataset", "dataset.v1.review_service")
    """Reviews, in the dataset room."""
    statistics: StatisticsServiceAsyncStub = service("dataset", "dataset.v1.statistics_service")
    """Statistics of dataset versions, in the dataset room."""
    imports: ImportServiceAsyncStub = service("dataset", "dataset.v1.import_service")
    """Imports of data files and of generations, in the dataset room."""
    datasets: DatasetServiceAsyncStub = service("dataset", "dataset.v1.dataset_service")
    """Dataset versions, in the dataset room."""
    exports: ExportServiceAsyncStub = service("dataset", "dataset.v1.export_service")
    """Exports of dataset versions, in the dataset room."""
    deduplications: DeduplicationServiceAsyncStub = service("dataset", "dataset.v1.deduplication_service")
    """Searches for examples that say the same, in the dataset room."""
    benchmarks: BenchmarkServiceAsyncStub = service("dataset", "dataset.v1.benchmark_service")
    """Benchmarks, in the dataset room."""
    leak_checks: LeakCheckServiceAsyncStub = service("dataset", "dataset.v1.leak_check_service")
    """Searches for examples that hold questions of benchmarks or exams, in the dataset room."""
    training: TrainingServiceAsyncStub = service("trainer", "trainer.v1.training_service")
    """Training runs, in the trainer room."""
    estimates: EstimateServiceAsyncStub = service("trainer", "trainer.v1.estimate_service")
    """Estimates of trainings, in the trainer room."""
    workers: WorkerServiceAsyncStub = service("trainer", "trainer.v1.worker_service")
    """Workers that train, in the trainer room."""
    models: ModelServiceAsyncStub = service("trainer", "trainer.v1.model_service")
    """Models, in the trainer room."""
    trainer_node: TrainerNodeServiceAsyncStub = service("trainer", "trainer.v1.trainer_node_service")
    """The machine that trains, in the trainer room."""
    deployments: DeploymentServiceAsyncStub = service("inference", "inference.v1.deployment_service")
    """Deployments, in the inference room."""
    candidates: CandidateServiceAsyncStub = service("generation", "generation.v1.candidate_service")
    """Candidates, in the generation room."""
    coverage: CoverageServiceAsyncStub = service("generation", "generation.v1.coverage_service")
    """Coverage, in the generation room."""
    chat: ChatServiceAsyncStub = service("inference", "inference.v1.chat_service")
    """Chat, in the inference room."""
    conversations: ConversationServiceAsyncStub = service("inference", "inference.v1.conversation_service")
    """Kept conversations, in the inference room."""
    exams: ExamServiceAsyncStub = service("inference", "inference.v1.exam_service")
    """Exams, in the inference room."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        token: str = "",
        seconds: float = CALL_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._addresses = dict(addresses)
        self._token = token
        self._seconds = seconds
        self._patience = patience
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; calls in progress end with an error."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    def channel(self, room: str) -> grpc.aio.Channel:
        """The connection to a room, made at first use."""
        if room not in self._channels:
            address = self._addresses[room]
            self._channels[room] = grpc.aio.insecure_channel(
                address,
                options=channel_options(address),
                interceptors=[
                    UnaryCalls(address, self._token, self._seconds, self._patience),
                    StreamCalls(address, self._token, self._patience),
                ],
            )
        return self._channels[room]

    def stub(self, room: str, name: str) -> Any:
        """The calls of a service: of the class that the generator made for its proto file."""
        module = importlib.import_module(f"sishu.{name}_pb2_grpc")
        words = name.rpartition(".")[2].split("_")
        return getattr(module, "".join(map(str.title, words)) + "Stub")(self.channel(room))

    def jobs(self, room: str) -> JobServiceAsyncStub:
        """A room's jobs."""
        found: JobServiceAsyncStub = self.stub(room, "common.v1.job_service")
        return found

    def project_data(self, room: str) -> ProjectDataServiceAsyncStub:
        """What a room holds for projects."""
        found: ProjectDataServiceAsyncStub = self.stub(room, "common.v1.project_data_service")
        return found
