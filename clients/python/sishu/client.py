"""A typed client for the five rooms over `grpc.aio`.

    async with Client(addresses) as sishu:
        answer = await sishu.projects.ListProjects(project_service_pb2.ListProjectsRequest())

Every call has a deadline, carries token and request id, is repeated while no room answers, and raises
`ApiError` when it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc

from sishu.calls import StreamCalls, UnaryCalls
from sishu.common.v1.job_service_pb2_grpc import JobServiceStub
from sishu.common.v1.project_data_service_pb2_grpc import ProjectDataServiceStub
from sishu.dataset.v1.benchmark_service_pb2_grpc import BenchmarkServiceStub
from sishu.dataset.v1.dataset_service_pb2_grpc import DatasetServiceStub
from sishu.dataset.v1.deduplication_service_pb2_grpc import DeduplicationServiceStub
from sishu.dataset.v1.example_change_service_pb2_grpc import ExampleChangeServiceStub
from sishu.dataset.v1.example_service_pb2_grpc import ExampleServiceStub
from sishu.dataset.v1.export_service_pb2_grpc import ExportServiceStub
from sishu.dataset.v1.import_service_pb2_grpc import ImportServiceStub
from sishu.dataset.v1.leak_check_service_pb2_grpc import LeakCheckServiceStub
from sishu.dataset.v1.review_service_pb2_grpc import ReviewServiceStub
from sishu.dataset.v1.statistics_service_pb2_grpc import StatisticsServiceStub
from sishu.generation.v1.candidate_service_pb2_grpc import CandidateServiceStub
from sishu.generation.v1.coverage_service_pb2_grpc import CoverageServiceStub
from sishu.generation.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from sishu.generation.v1.generation_service_pb2_grpc import GenerationServiceStub
from sishu.generation.v1.genre_audience_service_pb2_grpc import GenreAudienceServiceStub
from sishu.generation.v1.prompt_service_pb2_grpc import PromptServiceStub
from sishu.generation.v1.provider_service_pb2_grpc import ProviderServiceStub
from sishu.generation.v1.question_service_pb2_grpc import QuestionServiceStub
from sishu.generation.v1.question_template_service_pb2_grpc import QuestionTemplateServiceStub
from sishu.generation.v1.tag_service_pb2_grpc import TagServiceStub
from sishu.inference.v1.chat_service_pb2_grpc import ChatServiceStub
from sishu.inference.v1.deployment_service_pb2_grpc import DeploymentServiceStub
from sishu.inference.v1.exam_service_pb2_grpc import ExamServiceStub
from sishu.ingest.v1.chunk_service_pb2_grpc import ChunkServiceStub
from sishu.ingest.v1.document_service_pb2_grpc import DocumentServiceStub
from sishu.ingest.v1.project_service_pb2_grpc import ProjectServiceStub
from sishu.ingest.v1.section_service_pb2_grpc import SectionServiceStub
from sishu.loopback import is_loopback
from sishu.trainer.v1.model_service_pb2_grpc import ModelServiceStub
from sishu.trainer.v1.training_service_pb2_grpc import TrainingServiceStub

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
    from sishu.inference.v1.deployment_service_pb2_grpc import DeploymentServiceAsyncStub
    from sishu.inference.v1.exam_service_pb2_grpc import ExamServiceAsyncStub
    from sishu.ingest.v1.chunk_service_pb2_grpc import ChunkServiceAsyncStub
    from sishu.ingest.v1.document_service_pb2_grpc import DocumentServiceAsyncStub
    from sishu.ingest.v1.project_service_pb2_grpc import ProjectServiceAsyncStub
    from sishu.ingest.v1.section_service_pb2_grpc import SectionServiceAsyncStub
    from sishu.trainer.v1.model_service_pb2_grpc import ModelServiceAsyncStub
    from sishu.trainer.v1.training_service_pb2_grpc import TrainingServiceAsyncStub

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


class Client:
    """The services of all rooms.

    Args:
        addresses: `host:port` of every room, by its name.
        token: bearer token, where the rooms demand one.
        seconds: deadline of a unary call that sets none itself.
        patience: seconds for which a room that does not answer is asked again.
    """

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

    def jobs(self, room: str) -> JobServiceAsyncStub:
        """A room's jobs."""
        return JobServiceStub(self.channel(room))

    def project_data(self, room: str) -> ProjectDataServiceAsyncStub:
        """What a room holds for projects."""
        return ProjectDataServiceStub(self.channel(room))

    @cached_property
    def projects(self) -> ProjectServiceAsyncStub:
        """Projects, in the ingest room."""
        return ProjectServiceStub(self.channel("ingest"))

    @cached_property
    def documents(self) -> DocumentServiceAsyncStub:
        """Documents, in the ingest room."""
        return DocumentServiceStub(self.channel("ingest"))

    @cached_property
    def chunks(self) -> ChunkServiceAsyncStub:
        """Chunks, in the ingest room."""
        return ChunkServiceStub(self.channel("ingest"))

    @cached_property
    def sections(self) -> SectionServiceAsyncStub:
        """Sections, in the ingest room."""
        return SectionServiceStub(self.channel("ingest"))

    @cached_property
    def providers(self) -> ProviderServiceAsyncStub:
        """Providers, in the generation room."""
        return ProviderServiceStub(self.channel("generation"))

    @cached_property
    def embeddings(self) -> EmbeddingServiceAsyncStub:
        """Embeddings of texts, in the generation room."""
        return EmbeddingServiceStub(self.channel("generation"))

    @cached_property
    def generations(self) -> GenerationServiceAsyncStub:
        """Generations, in the generation room."""
        return GenerationServiceStub(self.channel("generation"))

    @cached_property
    def prompts(self) -> PromptServiceAsyncStub:
        """Prompts, in the generation room."""
        return PromptServiceStub(self.channel("generation"))

    @cached_property
    def questions(self) -> QuestionServiceAsyncStub:
        """Questions, in the generation room."""
        return QuestionServiceStub(self.channel("generation"))

    @cached_property
    def question_templates(self) -> QuestionTemplateServiceAsyncStub:
        """Question templates, in the generation room."""
        return QuestionTemplateServiceStub(self.channel("generation"))

    @cached_property
    def tags(self) -> TagServiceAsyncStub:
        """Tags, in the generation room."""
        return TagServiceStub(self.channel("generation"))

    @cached_property
    def genre_audiences(self) -> GenreAudienceServiceAsyncStub:
        """Genre-audience pairs, in the generation room."""
        return GenreAudienceServiceStub(self.channel("generation"))

    @cached_property
    def examples(self) -> ExampleServiceAsyncStub:
        """Examples, in the dataset room."""
        return ExampleServiceStub(self.channel("dataset"))

    @cached_property
    def example_changes(self) -> ExampleChangeServiceAsyncStub:
        """Changes of examples, in the dataset room."""
        return ExampleChangeServiceStub(self.channel("dataset"))

    @cached_property
    def reviews(self) -> ReviewServiceAsyncStub:
        """Reviews, in the dataset room."""
        return ReviewServiceStub(self.channel("dataset"))

    @cached_property
    def statistics(self) -> StatisticsServiceAsyncStub:
        """Statistics of dataset versions, in the dataset room."""
        return StatisticsServiceStub(self.channel("dataset"))

    @cached_property
    def imports(self) -> ImportServiceAsyncStub:
        """Imports of data files and of generations, in the dataset room."""
        return ImportServiceStub(self.channel("dataset"))

    @cached_property
    def datasets(self) -> DatasetServiceAsyncStub:
        """Dataset versions, in the dataset room."""
        return DatasetServiceStub(self.channel("dataset"))

    @cached_property
    def exports(self) -> ExportServiceAsyncStub:
        """Exports of dataset versions, in the dataset room."""
        return ExportServiceStub(self.channel("dataset"))

    @cached_property
    def deduplications(self) -> DeduplicationServiceAsyncStub:
        """Searches for examples that say the same, in the dataset room."""
        return DeduplicationServiceStub(self.channel("dataset"))

    @cached_property
    def benchmarks(self) -> BenchmarkServiceAsyncStub:
        """Benchmarks, in the dataset room."""
        return BenchmarkServiceStub(self.channel("dataset"))

    @cached_property
    def leak_checks(self) -> LeakCheckServiceAsyncStub:
        """Searches for examples that hold questions of benchmarks or exams, in the dataset room."""
        return LeakCheckServiceStub(self.channel("dataset"))

    @cached_property
    def training(self) -> TrainingServiceAsyncStub:
        """Training runs, in the trainer room."""
        return TrainingServiceStub(self.channel("trainer"))

    @cached_property
    def models(self) -> ModelServiceAsyncStub:
        """Models, in the trainer room."""
        return ModelServiceStub(self.channel("trainer"))

    @cached_property
    def deployments(self) -> DeploymentServiceAsyncStub:
        """Deployments, in the inference room."""
        return DeploymentServiceStub(self.channel("inference"))

    @cached_property
    def candidates(self) -> CandidateServiceAsyncStub:
        """Candidates, in the generation room."""
        return CandidateServiceStub(self.channel("generation"))

    @cached_property
    def coverage(self) -> CoverageServiceAsyncStub:
        """Coverage, in the generation room."""
        return CoverageServiceStub(self.channel("generation"))

    @cached_property
    def chat(self) -> ChatServiceAsyncStub:
        """Chat, in the inference room."""
        return ChatServiceStub(self.channel("inference"))

    @cached_property
    def exams(self) -> ExamServiceAsyncStub:
        """Exams, in the inference room."""
        return ExamServiceStub(self.channel("inference"))
