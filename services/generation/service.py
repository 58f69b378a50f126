"""The services of the generation room."""

from __future__ import annotations

from services.generation.asking.callers import Callers
from services.generation.candidates.service import CandidateServicer
from services.generation.coverage.ledger import CoverageLedger
from services.generation.coverage.service import CoverageServicer
from services.generation.embeddings.embeddings import TextEmbedder
from services.generation.embeddings.service import EmbeddingServicer
from services.generation.embeddings.store import EmbeddingStore
from services.generation.generations.service import GenerationServicer
from services.generation.genre_audiences.service import GenreAudienceServicer
from services.generation.prompts.previews import Previewer
from services.generation.prompts.service import PromptServicer
from services.generation.providers.service import ProviderServicer
from services.generation.question_templates.service import QuestionTemplateServicer
from services.generation.questions.service import QuestionServicer
from services.generation.sources.marking_store import MarkingStore
from services.generation.sources.sources import Sources
from services.generation.tags.service import TagServicer
from services.generation.writers.desk import Desk
from services.runtime.secrets import SecretBox
from services.runtime.server import Servicer
from sishu.generation.v1.candidate_service_pb2_grpc import add_CandidateServiceServicer_to_server
from sishu.generation.v1.coverage_service_pb2_grpc import add_CoverageServiceServicer_to_server
from sishu.generation.v1.embedding_service_pb2_grpc import add_EmbeddingServiceServicer_to_server
from sishu.generation.v1.generation_service_pb2_grpc import (
    add_GenerationServiceServicer_to_server,
)
from sishu.generation.v1.genre_audience_service_pb2_grpc import (
    add_GenreAudienceServiceServicer_to_server,
)
from sishu.generation.v1.prompt_service_pb2_grpc import add_PromptServiceServicer_to_server
from sishu.generation.v1.provider_service_pb2_grpc import (
    add_ProviderServiceServicer_to_server,
)
from sishu.generation.v1.question_service_pb2_grpc import (
    add_QuestionServiceServicer_to_server,
)
from sishu.generation.v1.question_template_service_pb2_grpc import (
    add_QuestionTemplateServiceServicer_to_server,
)
from sishu.generation.v1.tag_service_pb2_grpc import add_TagServiceServicer_to_server

PACKAGE = "sishu.generation.v1"


def servicers(desk: Desk, calling: Callers, secrets: SecretBox) -> list[Servicer]:
    """The services of the room."""
    generations = GenerationServicer(
        desk.store,
        desk.forecasts,
        desk.providers,
        desk.prompts,
        Sources(desk.chunks, desk.candidates, desk.originals, desk.examples),
        calling.embedder,
    )
    previewer = Previewer(
        desk.questions,
        desk.prompts,
        desk.chunks,
        desk.outlines,
        desk.tags,
        desk.pairs,
        desk.candidates,
    )
    ledger = CoverageLedger(desk.sections, desk.coverage)
    embedder = TextEmbedder(EmbeddingStore(desk.jobs.pool), calling.embedder)
    providers = ProviderServicer(desk.providers, secrets, calling.trial, calling.endpoints)
    return [
        Servicer(f"{PACKAGE}.ProviderService", add_ProviderServiceServicer_to_server, providers),
        Servicer(f"{PACKAGE}.GenerationService", add_GenerationServiceServicer_to_server, generations),
        Servicer(
            f"{PACKAGE}.QuestionService",
            add_QuestionServiceServicer_to_server,
            QuestionServicer(desk.questions),
        ),
        Servicer(
            f"{PACKAGE}.PromptService",
            add_PromptServiceServicer_to_server,
            PromptServicer(desk.prompts, previewer),
        ),
        Servicer(f"{PACKAGE}.TagService", add_TagServiceServicer_to_server, TagServicer(desk.tags)),
        Servicer(
            f"{PACKAGE}.GenreAudienceService",
            add_GenreAudienceServiceServicer_to_server,
            GenreAudienceServicer(desk.pairs, desk.outlines),
        ),
        Servicer(
            f"{PACKAGE}.CandidateService",
            add_CandidateServiceServicer_to_server,
            CandidateServicer(desk.candidates),
        ),
        Servicer(
            f"{PACKAGE}.QuestionTemplateService",
            add_QuestionTemplateServiceServicer_to_server,
            QuestionTemplateServicer(desk.templates),
        ),
        Servicer(
            f"{PACKAGE}.CoverageService",
            add_CoverageServiceServicer_to_server,
            CoverageServicer(ledger, MarkingStore(desk.jobs.pool, desk.jobs)),
        ),
        Servicer(
            f"{PACKAGE}.EmbeddingService",
            add_EmbeddingServiceServicer_to_server,
            EmbeddingServicer(embedder, desk.providers),
        ),
    ]
