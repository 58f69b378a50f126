"""Generations: the SQL statements of the room, behind functions."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg

from services.generation.asking.call_store import (
    delete_answers,
)
from services.generation.candidates.store import delete_generation_candidates, delete_project_candidates
from services.generation.embeddings.store import delete_embeddings
from services.generation.generations.generations import (
    Generation,
    GenerationOptions,
    GenerationStats,
    GenerationView,
    NewGeneration,
    check_ended,
    first_item,
    generation_not_found,
    stored_options,
)
from services.generation.genre_audiences.store import delete_genre_audiences
from services.generation.prompts.store import delete_prompts
from services.generation.providers.providers import Provider, provider_not_found, stored_provider
from services.generation.question_templates.store import delete_question_templates, keep_templates
from services.generation.sources.marking_store import forget_markings
from services.generation.tags.store import delete_tags
from services.runtime.db import Connection, Pool, claim_request, first_answer, forget_requests, transaction
from services.runtime.gathering import Gathering
from services.runtime.ids import id_at, new_id
from services.runtime.jobs import Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "generation.sql")

DECODED = 256
"""Of so many generations what every item needs stays decoded."""
RATE_SECONDS = 60.0
"""Of the last of them it is told how many calls end a second."""


class Store:
    """The table `generations`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs
        self._origins = Gathering(self._get_origins)

    async def generation_made_by(self, request_id: str) -> str | None:
        """The id of the generation that an earlier request of this id made."""
        return await first_answer(self.pool, "CreateGeneration", request_id)

    async def create_generation(self, wanted: NewGeneration, request_id: str) -> str:
        """Add a generation with its job; return its id, for a repeated request that of the first.

        Raises:
            NotFound: the provider was deleted meanwhile.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            generation_id = await claim_request(connection, "CreateGeneration", request_id, new)
            if generation_id == new:
                await self._insert_generation(connection, new, wanted)
        return generation_id

    async def get_generation(self, generation_id: str) -> Generation:
        """One generation.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_generation, generation_id)
        if row is None:
            raise generation_not_found(generation_id)
        return generation(row)

    async def get_origin(self, generation_id: str) -> tuple[Generation, Provider]:
        """A generation and its provider.

        Raises:
            NotFound: there is no such generation.
        """
        origin = await self._origins.get(generation_id)
        if origin is None:
            raise generation_not_found(generation_id)
        return origin

    async def _get_origins(self, generation_ids: Sequence[str]) -> dict[str, tuple[Generation, Provider]]:
        rows = await self.pool.fetch(SQL.get_origins, generation_ids)
        return {row["generation_id"]: origin_of(dict(row)) for row in rows}

    async def view_generation(self, generation_id: str) -> GenerationView:
        """A generation with its job and what it made so far.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(
            SQL.view_generations, generation_id, None, None, 1, id_at(time.time() - RATE_SECONDS)
        )
        if row is None:
            raise generation_not_found(generation_id)
        return view_of(row)

    async def list_generations(self, page: PageRequest, project_id: str) -> Page[GenerationView]:
        """Generations of a project, newest first."""
        after = page.after[0] if page.after else None
        latest = id_at(time.time() - RATE_SECONDS)
        rows = await self.pool.fetch(SQL.view_generations, None, project_id, after, page.limit, latest)
        views = [view_of(row) for row in rows]
        return page_of(views, page, lambda one: (one.generation.id,), size_bytes=lambda one: one.size_bytes)

    async def set_options(self, generation_id: str, values: Mapping[str, Any]) -> None:
        """Change options of a generation, by name; items that begin later go by them."""
        await self.pool.execute(SQL.set_options, generation_id, dict(values))

    async def delete_generation(self, generation_id: str) -> tuple[int, int]:
        """Delete an ended generation with all that it made; return how many questions and candidates.

        Raises:
            NotFound: there is none.
            FailedPrecondition: it is running.
        """
        async with transaction(self.pool) as connection:
            # The job first, as items do that end.
            job = await connection.fetchrow(SQL.lock_generation_job, generation_id)
            if job is None:
                raise generation_not_found(generation_id)
            check_ended(generation_id, job["id"], job["state"])
            await connection.execute(SQL.delete_generation_jobs, generation_id)
            candidates = await delete_generation_candidates(connection, generation_id)
            questions = await connection.execute(SQL.delete_generation_questions, generation_id)
            await connection.execute(SQL.delete_generation, generation_id)
            await forget_requests(connection, generation_id)
        return count_of(questions), candidates

    async def delete_project(self, project_id: str) -> dict[str, int]:
        """Delete everything of a project; return the deleted rows by table."""
        async with transaction(self.pool) as connection:
            await forget_markings(connection, project_id)
            await self.jobs.delete_project(connection, project_id)
            await delete_answers(connection, project_id)
            await delete_embeddings(connection, project_id)
            candidates = await delete_project_candidates(connection, project_id)
            questions = await connection.execute(SQL.delete_project_questions, project_id)
            generations = await connection.fetch(SQL.delete_project_generations, project_id)
            providers = await connection.fetch(SQL.delete_project_providers, project_id)
            prompt_versions = await delete_prompts(connection, project_id)
            tags = await delete_tags(connection, project_id)
            genre_audiences = await delete_genre_audiences(connection, project_id)
            question_templates = await delete_question_templates(connection, project_id)
            await forget_requests(connection, *(row["id"] for row in [*generations, *providers]))
        return {
            "candidates": candidates,
            "questions": count_of(questions),
            "generations": len(generations),
            "providers": len(providers),
            "prompt_versions": prompt_versions,
            "tags": tags,
            "genre_audiences": genre_audiences,
            "question_templates": question_templates,
        }

    async def _insert_generation(
        self, connection: Connection, generation_id: str, wanted: NewGeneration
    ) -> None:
        for provider_id in sorted({wanted.provider_id, *wanted.options.helper_ids}):
            if await connection.fetchval(SQL.share_provider, provider_id) is None:
                raise provider_not_found(provider_id)
        await connection.execute(
            SQL.insert_generation,
            generation_id,
            wanted.project_id,
            wanted.provider_id,
            asdict(wanted.options),
            dict(wanted.prompt_versions),
        )
        await keep_templates(
            connection, generation_id, wanted.project_id, wanted.options.question_template_ids
        )
        await self.jobs.create(
            connection,
            "generate",
            [NewItem(first_item(wanted.options), "0")],
            project_id=wanted.project_id,
            resource_id=generation_id,
        )


def count_of(status: str) -> int:
    """How many rows a statement touched, by what Postgres says about it."""
    return int(status.rpartition(" ")[2])


def generation(row: asyncpg.Record) -> Generation:
    """A row of `generations`."""
    values = {name: row[name] for name in Generation.__dataclass_fields__}
    return Generation(**{**values, "options": stored_options(values["options"])})


@lru_cache(maxsize=DECODED)
def options_in(text: str) -> GenerationOptions:
    """Options as they stand in Postgres: the same for all items until somebody changes them."""
    return stored_options(json.loads(text))


@lru_cache(maxsize=DECODED)
def versions_in(text: str) -> Mapping[str, str]:
    """The version of each prompt, of which there are dozens, as they stand in Postgres."""
    return MappingProxyType(json.loads(text))


def origin_of(values: dict[str, Any]) -> tuple[Generation, Provider]:
    """A row of `get_origins`."""
    one = Generation(
        id=values.pop("generation_id"),
        project_id=values["project_id"],
        provider_id=values["id"],
        options=options_in(values.pop("generation_options")),
        prompt_versions=versions_in(values.pop("generation_prompt_versions")),
        create_time=values.pop("generation_create_time"),
    )
    return one, stored_provider(**values)


def view_of(row: asyncpg.Record) -> GenerationView:
    """A row of `view_generations`."""
    stats = GenerationStats(**{name: row[name] for name in GenerationStats.__dataclass_fields__})
    return GenerationView(generation(row), job_of(row["job"]), stats)
