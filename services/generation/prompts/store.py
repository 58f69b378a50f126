"""The tables `prompt_versions` and `current_prompts`, beside the prompts that are built in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from services.generation.generations.generations import Generation
from services.generation.prompts.built_in import Prompt
from services.generation.prompts.prompt_templates import PromptTemplate, parsed
from services.generation.prompts.prompt_versions import (
    ALL,
    PromptName,
    PromptVersion,
    builtin,
    parsed_version,
    prompt_not_found,
)
from services.runtime.db import Connection, Pool, claim_request, first_answer, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "prompts.sql")

AT_HAND = 256
"""Templates that stay ready to be filled."""


class PromptStore:
    """The prompts of projects."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._at_hand: OrderedDict[tuple[str, str], PromptTemplate] = OrderedDict()

    async def made_by(self, request_id: str) -> PromptVersion | None:
        """What an earlier request of this id made, as it stands now."""
        made = await first_answer(self.pool, "CreatePromptVersion", request_id)
        row = await self.pool.fetchrow(SQL.get_prompt_made, made) if made else None
        return stored(row) if row else None

    async def current_versions(self, project_id: str) -> dict[str, str]:
        """The version of each prompt by which what starts now goes, by name and language."""
        rows = await self.pool.fetch(SQL.list_current_numbers, project_id)
        own = {f"{row['name']}.{row['language']}": row["number"] for row in rows}
        return {
            str(prompt): f"{prompt}@project-{own[str(prompt)]}" if str(prompt) in own else prompt.builtin
            for prompt in ALL
        }

    async def list_current(self, page: PageRequest, project_id: str) -> Page[PromptVersion]:
        """The current versions of all prompts, by name and language."""
        found = [stored(row) for row in await self.pool.fetch(SQL.list_current_prompts, project_id)]
        own = {one.prompt: one for one in found}
        versions = [
            own.get(prompt) or builtin(project_id, prompt.builtin, current=True)
            for prompt in ALL
            if page.after < (prompt.name, prompt.language)
        ]
        return page_of(
            versions[: page.limit],
            page,
            lambda one: (one.prompt.name, one.prompt.language),
            size_bytes=lambda one: one.size_bytes,
        )

    async def list_versions(
        self, page: PageRequest, project_id: str, prompt: PromptName
    ) -> Page[PromptVersion]:
        """All versions of a prompt, newest first, the built-in one last."""
        after = int(page.after[0]) if page.after else None
        rows = await self.pool.fetch(
            SQL.list_prompt_versions, project_id, prompt.name, prompt.language, after, page.limit
        )
        versions = [*map(stored, rows), await self.get(project_id, prompt.builtin)]
        return page_of(
            versions[: page.limit], page, lambda one: (one.number,), size_bytes=lambda one: one.size_bytes
        )

    async def get(self, project_id: str, version: str) -> PromptVersion:
        """One version.

        Raises:
            NotFound: the project has none of this name.
        """
        prompt, number, own = parsed_version(version)
        if own:
            key = (project_id, prompt.name, prompt.language, number)
            row = await self.pool.fetchrow(SQL.get_prompt_version, *key)
            if row is None:
                raise prompt_not_found(version)
            return stored(row)
        current = (await self.current_versions(project_id))[str(prompt)]
        return builtin(project_id, version, current=version == current)

    async def create(
        self, project_id: str, prompt: PromptName, template: str, request_id: str
    ) -> PromptVersion:
        """Add a version that is current from now on; the text of the current one gives that one."""
        key = (project_id, prompt.name, prompt.language)
        async with transaction(self.pool) as connection:
            current = await self._locked(connection, project_id, prompt)
            if current.template == template:
                return current
            new = new_id()
            made = await claim_request(connection, "CreatePromptVersion", request_id, new)
            if made == new:
                number = await connection.fetchval(SQL.insert_prompt_version, new, *key, template)
                await connection.execute(SQL.set_current_prompt, *key, number)
            row = await connection.fetchrow(SQL.get_prompt_made, made)
        if row is None:
            raise prompt_not_found(str(prompt))
        return stored(row)

    async def restore(self, project_id: str, version: str) -> PromptVersion:
        """Make a version current.

        Raises:
            NotFound: the project has no such version, or it is built in no more.
        """
        prompt, number, own = parsed_version(version)
        key = (project_id, prompt.name, prompt.language)
        if not own and version != prompt.builtin:
            raise prompt_not_found(version)
        async with transaction(self.pool) as connection:
            await self._locked(connection, project_id, prompt)
            if own:
                await connection.execute(SQL.set_current_prompt, *key, number)
            else:
                await connection.execute(SQL.unset_current_prompt, *key)
        return await self.get(project_id, version)

    async def filled(
        self, generation: Generation, name: str, language: str, values: Mapping[str, object]
    ) -> Prompt:
        """A prompt of a generation, in the version by which it goes.

        Raises:
            NotFound: the project was deleted meanwhile.
            InvalidArgument: the template cannot be filled with these values.
        """
        prompt = PromptName(name, language)
        version = generation.prompt_versions.get(str(prompt)) or prompt.builtin
        template = await self._template(generation.project_id, version)
        return Prompt(version, template.fill({"instruction": generation.options.instruction, **values}))

    async def _template(self, project_id: str, version: str) -> PromptTemplate:
        """A version, ready to be filled; as it never changes, it is read once."""
        key = (project_id, version)
        if key not in self._at_hand:
            found = await self.get(project_id, version)
            self._at_hand[key] = parsed(found.template, found.prompt.variables)
            if len(self._at_hand) > AT_HAND:
                self._at_hand.popitem(last=False)
        return self._at_hand[key]

    async def _locked(self, connection: Connection, project_id: str, prompt: PromptName) -> PromptVersion:
        """The current version of a prompt; nobody else makes or restores one meanwhile."""
        key = (project_id, prompt.name, prompt.language)
        await connection.execute(SQL.lock_prompt, *key)
        row = await connection.fetchrow(SQL.get_current_prompt, *key)
        return stored(row) if row else builtin(project_id, prompt.builtin, current=True)


async def delete_prompts(connection: Connection, project_id: str) -> int:
    """Delete the versions of a project; return how many."""
    rows = await connection.fetch(SQL.delete_project_prompts, project_id)
    await forget_requests(connection, *(row["id"] for row in rows))
    return len(rows)


def stored(row: asyncpg.Record) -> PromptVersion:
    """A row of `prompt_version_view`."""
    prompt = PromptName(row["name"], row["language"])
    return PromptVersion(
        row["project_id"], prompt, row["number"], row["template"], True, row["current"], row["create_time"]
    )
