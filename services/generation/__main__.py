"""`python -m services.generation`: serve the generation room, or work on its queue."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from services.generation.asking.callers import Callers, callers
from services.generation.asking.refusing import ENDURANCE
from services.generation.candidates.store import CandidateStore
from services.generation.config import GenerationConfig
from services.generation.coverage.store import CoverageStore
from services.generation.forecasts.store import ForecastStore
from services.generation.gates.embedding import Embeddings
from services.generation.generations.store import Store
from services.generation.genre_audiences.store import GenreAudienceStore
from services.generation.prompts.store import PromptStore
from services.generation.providers.keys import Keys
from services.generation.providers.store import ProviderStore
from services.generation.question_templates.store import QuestionTemplateStore
from services.generation.questions.store import QuestionStore
from services.generation.regeneration.original_store import OriginalStore
from services.generation.service import servicers
from services.generation.sources.chunk_reader import ChunkReader
from services.generation.sources.example_reader import ExampleReader
from services.generation.sources.outline_reader import OutlineReader
from services.generation.sources.section_reader import SectionReader
from services.generation.sources.source_change_store import SourceChangeStore
from services.generation.sources.source_changes import SourceChanges
from services.generation.tags.entry_store import TagEntryStore
from services.generation.tags.store import TagStore
from services.generation.writers import items
from services.generation.writers.desk import Desk
from services.runtime.config import read
from services.runtime.project_data import ProjectData
from services.runtime.room import Built, Parts, Room, run_room
from services.runtime.secrets import SecretBox


def build(parts: Parts) -> Built:
    """Wire the room."""
    config = read(GenerationConfig, os.environ)
    secrets, providers = SecretBox(config.secret_key_file), ProviderStore(parts.pool)
    calling = callers(parts, config, providers, Keys(secrets, os.environ, config.provider_key_folder))
    desk = furnished(parts, calling, providers)
    return Built(
        servicers=servicers(desk, calling, secrets),
        handlers=items.handlers(desk),
        project_data=ProjectData(desk.store.delete_project),
        background=[calling.batches.run],
        closing=[calling.gate.close, calling.transport.close],
        endurance=replace(ENDURANCE, without=items.passed_over(desk)),
    )


def furnished(parts: Parts, calling: Callers, providers: ProviderStore) -> Desk:
    """The desk of a process."""
    pool, chunks = parts.pool, ChunkReader(parts.client)
    return Desk(
        jobs=parts.jobs,
        asker=calling.asker,
        chunks=chunks,
        sections=SectionReader(chunks),
        outlines=OutlineReader(parts.client, chunks),
        examples=ExampleReader(parts.client),
        changes=SourceChanges(parts.client, SourceChangeStore(pool)),
        embeddings=Embeddings(pool, calling.calls, calling.embedder, providers),
        store=Store(pool, parts.jobs),
        providers=providers,
        prompts=PromptStore(pool),
        forecasts=ForecastStore(pool),
        questions=QuestionStore(pool),
        candidates=CandidateStore(pool),
        originals=OriginalStore(pool),
        templates=QuestionTemplateStore(pool),
        coverage=CoverageStore(pool),
        pairs=GenreAudienceStore(pool),
        tags=TagStore(pool),
        entries=TagEntryStore(pool),
    )


if __name__ == "__main__":
    run_room(Room("generation", Path(__file__).parent, build, concurrency=256))
