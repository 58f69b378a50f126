"""The services of the generation room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grpc.aio import Server

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
    pool = desk.jobs.pool
    providers = ProviderServicer(desk.providers, secrets, calling.trial, calling.endpoints)
    prompts = PromptServicer(desk.prompts, previewer(desk))
    pairs = GenreAudienceServicer(desk.pairs, desk.outlines)
    templates = QuestionTemplateServicer(desk.templates)
    ledger = CoverageLedger(desk.sections, desk.coverage)
    coverage = CoverageServicer(ledger, MarkingStore(pool, desk.jobs))
    embedder = TextEmbedder(EmbeddingStore(pool), calling.embedder)
    embeddings = EmbeddingServicer(embedder, desk.providers)
    added: dict[str, tuple[Callable[[Any, Server], None], object]] = {
        "Provider": (add_ProviderServiceServicer_to_server, providers),
        "Generation": (add_GenerationServiceServicer_to_server, generations(desk, calling)),
        "Question": (add_QuestionServiceServicer_to_server, QuestionServicer(desk.questions)),
        "Prompt": (add_PromptServiceServicer_to_server, prompts),
        "Tag": (add_TagServiceServicer_to_server, TagServicer(desk.tags)),
        "GenreAudience": (add_GenreAudienceServiceServicer_to_server, pairs),
        "Candidate": (add_CandidateServiceServicer_to_server, CandidateServicer(desk.candidates)),
        "QuestionTemplate": (add_QuestionTemplateServiceServicer_to_server, templates),
        "Coverage": (add_CoverageServiceServicer_to_server, coverage),
        "Embedding": (add_EmbeddingServiceServicer_to_server, embeddings),
    }
    return [Servicer(f"{PACKAGE}.{name}Service", add, servicer) for name, (add, servicer) in added.items()]


def generations(desk: Desk, calling: Callers) -> GenerationServicer:
    """The service of generations."""
    sources = Sources(desk.chunks, desk.candidates, desk.originals, desk.examples)
    return GenerationServicer(
        desk.store, desk.forecasts, desk.providers, desk.prompts, sources, calling.embedder
    )


def previewer(desk: Desk) -> Previewer:
    """Who shows prompts filled in."""
    return Previewer(
        desk.questions,
        desk.prompts,
        desk.chunks,
        desk.outlines,
        desk.tags,
        desk.pairs,
        desk.candidates,
    )
