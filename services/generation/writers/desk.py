"""What writers work with."""

from __future__ import annotations

from dataclasses import dataclass

from services.generation.asking.asking import Asker
from services.generation.candidates.store import CandidateStore
from services.generation.coverage.store import CoverageStore
from services.generation.forecasts.store import ForecastStore
from services.generation.gates.embedding import Embeddings
from services.generation.generations.store import Store
from services.generation.genre_audiences.store import GenreAudienceStore
from services.generation.prompts.store import PromptStore
from services.generation.providers.store import ProviderStore
from services.generation.question_templates.store import QuestionTemplateStore
from services.generation.questions.store import QuestionStore
from services.generation.regeneration.original_store import OriginalStore
from services.generation.sources.chunk_reader import ChunkReader
from services.generation.sources.example_reader import ExampleReader
from services.generation.sources.outline_reader import OutlineReader
from services.generation.sources.section_reader import SectionReader
from services.generation.sources.source_changes import SourceChanges
from services.generation.tags.entry_store import TagEntryStore
from services.generation.tags.store import TagStore
from services.runtime.jobs import Jobs


@dataclass(frozen=True)
class Desk:
    """Who asks, reads and stores, one of each in a process."""

    jobs: Jobs
    asker: Asker
    chunks: ChunkReader
    sections: SectionReader
    outlines: OutlineReader
    examples: ExampleReader
    changes: SourceChanges
    embeddings: Embeddings
    store: Store
    providers: ProviderStore
    prompts: PromptStore
    forecasts: ForecastStore
    questions: QuestionStore
    candidates: CandidateStore
    originals: OriginalStore
    templates: QuestionTemplateStore
    coverage: CoverageStore
    pairs: GenreAudienceStore
    tags: TagStore
    entries: TagEntryStore
