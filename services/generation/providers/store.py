"""The table `providers`, behind functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import asyncpg

from services.generation.generations.generations import GenerationOptions
from services.generation.generations.store import SQL
from services.generation.providers.providers import (
    Price,
    Provider,
    check_members,
    check_membership,
    in_use,
    provider_not_found,
    stored_provider,
)
from services.runtime.db import Connection, Pool, claim_request, first_answer, forget_requests, transaction
from services.runtime.errors import AlreadyExists
from services.runtime.pages import Page, PageRequest, page_of


class ProviderStore:
    """The providers of the generation room."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def made_by(self, request_id: str) -> Provider | None:
        """What an earlier request of this id made, as it stands now."""
        made = await first_answer(self.pool, "CreateProvider", request_id)
        return await self.get(made) if made else None

    async def create(self, provider: Provider, request_id: str) -> Provider:
        """Add a provider; the same request id gives the first answer.

        Raises:
            AlreadyExists: the project has one of this name.
            NotFound, InvalidArgument: a member of the pool is missing, or cannot be one.
        """
        async with transaction(self.pool) as connection:
            owner = await claim_request(connection, "CreateProvider", request_id, provider.id)
            if owner != provider.id:
                return await self._get(connection, owner)
            await self._check_members(connection, provider)
            row = await connection.fetchrow(SQL.insert_provider, *columns(provider), provider.project_id)
            if row is None:
                raise name_taken(provider.name)
        return stored_provider(**row)

    async def get(self, provider_id: str, field: str = "") -> Provider:
        """One provider.

        Args:
            provider_id: which.
            field: path of the request field that names it.

        Raises:
            NotFound: there is none.
        """
        return provider_of(await self.pool.fetchrow(SQL.get_provider, provider_id), provider_id, field)

    async def get_many(self, provider_ids: Sequence[str]) -> list[Provider]:
        """Those of the providers that are there, in the order of the ids."""
        rows = await self.pool.fetch(SQL.get_providers, provider_ids)
        return [stored_provider(**row) for row in rows]

    async def prices(self, *providers: Provider) -> list[Price | None]:
        """The prices of some providers, of pools those of their members."""
        prices = []
        for provider in providers:
            asked = await self.get_many(provider.pool_ids) if provider.pool_ids else [provider]
            prices += [one.price for one in asked]
        return prices

    async def get_asked(self, provider_id: str, options: GenerationOptions) -> list[Provider]:
        """All that a generation asks: the provider that writes, then those that its options name.

        Raises:
            NotFound: one of them is not there.
        """
        helpers = {one: f"options.{name}" for one, name in options.helper_ids.items()}
        named = {provider_id: "provider_id", **helpers}
        return [await self.get(one, f"generation.{name}") for one, name in named.items()]

    async def list_page(self, page: PageRequest, project_id: str, name: str) -> Page[Provider]:
        """Providers of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_providers, project_id, name, after, page.limit)
        found = [stored_provider(**row) for row in rows]
        return page_of(found, page, lambda one: (one.id,), size_bytes=lambda one: one.size_bytes)

    async def update(self, provider_id: str, change: Callable[[Provider], Provider]) -> Provider:
        """Store what `change` makes of a provider; nobody else changes it meanwhile.

        Raises:
            NotFound: there is none.
            AlreadyExists: the project has another one of this name.
            FailedPrecondition: a pool names it, and it would no longer fit in.
            InvalidArgument: a member of the pool cannot be one.
        """
        async with transaction(self.pool) as connection:
            before = await self._locked(connection, provider_id)
            changed = change(before)
            if (changed.model, changed.pool_ids) != (before.model, before.pool_ids):
                check_membership(changed, await self._pools(connection, provider_id))
                await self._check_members(connection, changed)
            try:
                row = await connection.fetchrow(SQL.update_provider, *columns(changed))
            except asyncpg.UniqueViolationError:
                raise name_taken(changed.name) from None
        return provider_of(row, provider_id)

    async def delete(self, provider_id: str) -> None:
        """Delete a provider that no generation and no pool names.

        Raises:
            NotFound: there is none.
            FailedPrecondition: one names it.
        """
        async with transaction(self.pool) as connection:
            await self._locked(connection, provider_id)
            if await connection.fetchval(SQL.provider_has_generations, provider_id):
                raise in_use(
                    provider_id,
                    f"generations name provider {provider_id} as their origin; delete them first",
                )
            pools = await self._pools(connection, provider_id)
            if pools:
                names = ", ".join(repr(pool.name) for pool in pools)
                raise in_use(
                    provider_id,
                    f"pools name provider {provider_id}: {names}; take it out of them first "
                    "(`sishu provider update POOL --pool`)",
                )
            await connection.execute(SQL.delete_provider, provider_id)
            await forget_requests(connection, provider_id)

    async def _get(self, connection: Connection, provider_id: str) -> Provider:
        return provider_of(await connection.fetchrow(SQL.get_provider, provider_id), provider_id)

    async def _locked(self, connection: Connection, provider_id: str) -> Provider:
        return provider_of(await connection.fetchrow(SQL.lock_provider, provider_id), provider_id)

    async def _pools(self, connection: Connection, provider_id: str) -> list[Provider]:
        """The pools that name a provider, which must be locked: else another one may begin to."""
        return [stored_provider(**row) for row in await connection.fetch(SQL.list_pools, provider_id)]

    async def _check_members(self, connection: Connection, provider: Provider) -> None:
        """Check the members of a pool, and keep them from being changed or deleted meanwhile."""
        if provider.pool_ids:
            rows = await connection.fetch(SQL.share_providers, provider.pool_ids)
            check_members(provider, [stored_provider(**row) for row in rows])


def columns(provider: Provider) -> tuple[object, ...]:
    """The columns that a change may touch, after the id."""
    return (
        provider.id,
        provider.name,
        provider.base_url,
        provider.deployment_id,
        provider.pool_ids,
        provider.model,
        provider.sealed_key,
        provider.key_variable,
        provider.key_file,
        dict(provider.sampling),
        asdict(provider.limits),
        asdict(provider.price) if provider.price else None,
        provider.streaming,
    )


def provider_of(row: asyncpg.Record | None, provider_id: str, field: str = "") -> Provider:
    """A row of `providers`.

    Raises:
        NotFound: there is no row.
    """
    if row is None:
        raise provider_not_found(provider_id, field)
    return stored_provider(**row)


def name_taken(name: str) -> AlreadyExists:
    """The error for a second provider of a name."""
    return AlreadyExists(
        "PROVIDER_NAME_TAKEN", f"the project has a provider named {name!r}", "provider.name", name=name
    )
