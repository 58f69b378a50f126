"""`python -m services.generation`: serve the generation room, or work on its queue."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from services.generation.callers import callers
from services.generation.candidate_service import CandidateServicer
from services.generation.candidate_store import CandidateStore
from services.generation.chunk_reader import ChunkReader
from services.generation.config import GenerationConfig
from services.generation.coverage_ledger import CoverageLedger
from services.generation.coverage_service import CoverageServicer
from services.generation.coverage_store import CoverageStore
from services.generation.embedding import Embeddings
from services.generation.forecast_store import ForecastStore
from services.generation.genre_audience_service import GenreAudienceServicer
from services.generation.genre_audience_store import GenreAudienceStore
from services.generation.keys import Keys
from services.generation.original_store import OriginalStore
from services.generation.outline_reader import OutlineReader
from services.generation.previews import Previewer
from services.generation.prompt_service import PromptServicer
from services.generation.prompt_store import PromptStore
from services.generation.provider_store import ProviderStore
from services.generation.question_service import QuestionServicer
from services.generation.question_store import QuestionStore
from services.generation.question_template_service import QuestionTemplateServicer
from services.generation.question_template_store import QuestionTemplateStore
from services.generation.refusing import ENDURANCE
from services.generation.section_reader import SectionReader
from services.generation.service import GenerationServicer, ProviderServicer, servicers
from services.generation.source_change_store import SourceChangeStore
from services.generation.source_changes import SourceChanges
from services.generation.sources import Sources
from services.generation.store import Store
from services.generation.tag_entry_store import TagEntryStore
from services.generation.tag_service import TagServicer
from services.generation.tag_store import TagStore
from services.generation.writers import items
from services.generation.writers.candidates import Desk
from services.generation.writers.coverage import CoverageWriter
from services.generation.writers.genre_audiences import GenreAudienceWriter
from services.generation.writers.judging import AnswerJudge
from services.generation.writers.knowledge import KnowledgeProbe
from services.generation.writers.question_templates import TemplateWriter
from services.generation.writers.questions import QuestionWriter
from services.generation.writers.regeneration import QuestionRewriter
from services.generation.writers.tags import TagWriter
from services.runtime.config import read
from services.runtime.project_data import ProjectData
from services.runtime.room import Built, Parts, Room, run_room
from services.runtime.secrets import SecretBox


def build(parts: Parts) -> Built:
    """Wire the room."""
    config = read(GenerationConfig, os.environ)
    store, forecasts = Store(parts.pool, parts.jobs), ForecastStore(parts.pool)
    question_store = QuestionStore(parts.pool)
    providers, chunks = ProviderStore(parts.pool), ChunkReader(parts.client)
    prompts, candidates = PromptStore(parts.pool), CandidateStore(parts.pool)
    secrets = SecretBox(config.secret_key_file)
    calling = callers(parts, config, providers, Keys(secrets, os.environ, config.provider_key_folder))
    outlines, tag_store = OutlineReader(parts.client, chunks), TagStore(parts.pool)
    pairs = GenreAudienceStore(parts.pool)
    embeddings = Embeddings(parts.pool, calling.calls, calling.embedder, providers)
    changes = SourceChanges(parts.client, SourceChangeStore(parts.pool))
    questions = QuestionWriter(
        parts.jobs,
        store,
        question_store,
        forecasts,
        prompts,
        chunks,
        pairs,
        calling.asker,
        embeddings,
        changes,
    )
    sections, coverage_store = SectionReader(chunks), CoverageStore(parts.pool)
    coverage = CoverageWriter(parts.jobs, store, coverage_store, sections, pairs, changes)
    judge = AnswerJudge(parts.jobs, store, question_store, providers, prompts, chunks, calling.asker)
    template_store = QuestionTemplateStore(parts.pool)
    templates = TemplateWriter(parts.jobs, store, template_store, prompts, chunks, calling.asker)
    probe = KnowledgeProbe(parts.jobs, store, question_store, providers, prompts, chunks, calling.asker)
    genres = GenreAudienceWriter(parts.jobs, store, pairs, prompts, outlines, calling.asker)
    entries = TagEntryStore(parts.pool)
    tags = TagWriter(parts.jobs, store, tag_store, entries, prompts, outlines, calling.asker)
    desk = Desk(parts.jobs, store, question_store, candidates, prompts, chunks, calling.asker, changes)
    originals = OriginalStore(parts.pool)
    rewriter = QuestionRewriter(desk, originals, pairs, embeddings)
    return Built(
        servicers=servicers(
            ProviderServicer(providers, secrets, calling.trial, calling.endpoints),
            GenerationServicer(
                store, forecasts, providers, prompts, Sources(chunks, candidates, originals), calling.embedder
            ),
            QuestionServicer(question_store),
            PromptServicer(
                prompts, Previewer(question_store, prompts, chunks, outlines, tag_store, pairs, candidates)
            ),
            TagServicer(tag_store),
            GenreAudienceServicer(pairs, outlines),
            CandidateServicer(candidates),
            QuestionTemplateServicer(template_store),
            CoverageServicer(CoverageLedger(sections, coverage_store), changes),
        ),
        handlers={
            "plan_questions": questions.plan_questions,
            "plan_pilot": questions.plan_pilot,
            "plan_coverage": coverage.plan_coverage,
            "write_questions": questions.write_questions,
            "write_answer": questions.write_answer,
            "judge_answer": judge.judge_answer,
            "answer_template": templates.answer_template,
            "probe_fact": probe.probe_fact,
            "plan_tags": tags.plan_tags,
            "write_tags": tags.write_tags,
            "plan_genre_audiences": genres.plan_genre_audiences,
            "write_genre_audiences": genres.write_genre_audiences,
            "plan_regeneration": rewriter.plan_regeneration,
            "rewrite_questions": rewriter.rewrite_questions,
            "rewrite_answer": rewriter.rewrite_answer,
            **items.handlers(desk, providers),
        },
        project_data=ProjectData(store.delete_project),
        background=[calling.batches.run],
        closing=[calling.gate.close, calling.transport.close],
        endurance=replace(ENDURANCE, without={"probe_fact": probe.pass_over}),
    )


if __name__ == "__main__":
    run_room(Room("generation", Path(__file__).parent, build, concurrency=256))
