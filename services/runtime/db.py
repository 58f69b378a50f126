"""Postgres: one pool a process, one schema a room, migrations under an advisory lock."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog

from services.runtime.errors import FailedPrecondition, Unavailable

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

T = TypeVar("T")

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 60.0
HELD_SECONDS = 600.0
AGAIN_SECONDS = 0.5
MOST_ENDED = 3
MIGRATION_LOCK = 0x51_5348_55
"""Key of the advisory lock under which schemas change."""

DATABASE_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    # Where the driver notices the loss of a connection only while it prepares to use it.
    asyncpg.InternalClientError,
    ConnectionError,
)
"""What asyncpg raises while the server is gone, going, not yet there, full or interrupted: it passes."""

PASSES = (*DATABASE_AWAY, asyncpg.TransactionRollbackError, OSError, TimeoutError)
"""After which the same transaction may succeed."""

log = structlog.get_logger()


async def open_pool(url: str, schema: str, connections: int) -> Pool:
    """Connect to Postgres with the room's schema as the search path.

    Raises:
        Unavailable: the server cannot be reached, or refuses us.
    """
    pool = asyncpg.create_pool(
        url,
        # With a floor asyncpg logs a traceback a second while the server is away.
        min_size=0,
        max_size=connections,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        init=set_codecs,
        reset=keep_session,
        server_settings={"search_path": schema, "application_name": f"sishu-{schema}"},
    )
    try:
        await pool
        await pool.fetchval("SELECT 1")
    except (*DATABASE_AWAY, OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise Unavailable(
            "DATABASE_UNAVAILABLE",
            f"Postgres cannot be reached ({error}); check that it runs and that SISHU_DATABASE_URL is right",
        ) from error
    return pool


async def keep_session(_: Connection) -> None:
    """Save asyncpg's round trip that cleans a session: nothing here sets state beyond a transaction."""


async def set_codecs(connection: Connection) -> None:
    """Read and write uuid as text and jsonb as Python values."""
    await connection.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog")
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog", format="text"
    )


async def migrate(pool: Pool, schema: str, folders: Iterable[Path]) -> list[str]:
    """Apply every migration file that the schema lacks, all in one transaction; return their names.

    Files are named `NNNN_what.sql` and applied by folder, then by name. An advisory lock lets any number
    of processes do this at once.

    Raises:
        FailedPrecondition: a file that was applied before has changed since.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, sha256 text NOT NULL, "
            "apply_time timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch("SELECT name, sha256 FROM migrations")
        applied = {row["name"]: row["sha256"] for row in rows}
        return [
            name
            for folder in folders
            for path in sorted(folder.glob("[0-9]*.sql"))
            if (name := await apply_migration(connection, path, applied))
        ]


async def apply_migration(connection: Connection, path: Path, applied: dict[str, str]) -> str:
    """Apply one file unless it was applied before; return its name, or nothing."""
    name = f"{path.parents[1].name}/{path.name}"
    text = await asyncio.to_thread(path.read_text, "utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    if name in applied:
        if applied[name] != digest:
            raise FailedPrecondition(
                "MIGRATION_CHANGED", f"the migration {name} was changed after it was applied; add a new one"
            )
        return ""
    await connection.execute(text)
    await connection.execute("INSERT INTO migrations (name, sha256) VALUES ($1, $2)", name, digest)
    log.info("migration_applied", migration=name)
    return name


async def wait_for_database(pool: Pool, seconds: float) -> bool:
    """Whether Postgres answers within `seconds`; asks twice a second."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        try:
            await pool.fetchval("SELECT 1", timeout=2)
        except (*DATABASE_AWAY, OSError, TimeoutError, asyncpg.PostgresError):
            await asyncio.sleep(0.5)
        else:
            return True
    return False


def is_misuse(error: BaseException) -> bool:
    """Whether asyncpg was called wrongly; by the same class it says that a connection is lost."""
    if not isinstance(error, asyncpg.InterfaceError):
        return False
    return not any(word in str(error) for word in ("closed", "closing", "released", "lost"))


async def held(pool: Pool, store: Callable[[], Awaitable[None]], seconds: float = HELD_SECONDS) -> None:
    """Store what must not be had again, such as an answer that was paid for, once Postgres is there.

    Args:
        pool: the database.
        store: a transaction that may run again: where its end was not heard, it has to see that itself.
        seconds: how long the database is waited for.

    Raises:
        TimeoutError, OSError, asyncpg.PostgresError: it did not come back in time.
        asyncpg.InterfaceError: the statement was wrong.
    """
    give_up = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await store()
        except PASSES as error:
            if is_misuse(error):
                raise
            left = give_up - asyncio.get_running_loop().time()
            if not await wait_for_database(pool, left):
                raise
            log.info("held_through_outage", error=str(error))
            await asyncio.sleep(AGAIN_SECONDS)


async def had_again(work: Callable[[], Awaitable[T]]) -> T:
    """Run a transaction, and again where Postgres ended it in favour of another one.

    Raises:
        asyncpg.TransactionRollbackError: it did so `MOST_ENDED` times.
        Exception: what the work raises.
    """
    for _ in range(MOST_ENDED - 1):
        try:
            return await work()
        except asyncpg.TransactionRollbackError as error:
            log.info("transaction_again", error=str(error))
    return await work()


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection in a transaction, which commits at the end and rolls back on an error."""
    async with pool.acquire(timeout=CONNECT_SECONDS) as connection, connection.transaction():
        yield connection


async def fetch_planned(pool: Pool, statement: str, *values: Any) -> list[asyncpg.Record]:
    """Fetch rows by a plan for the tables as large as they are now.

    A connection keeps the plan of a statement until a table is analysed: one that was made for few rows
    would read all of a table that has grown since.
    """
    async with transaction(pool) as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        return list(await connection.fetch(statement, *values))


async def claim_request(connection: Connection, method: str, request_id: str, resource_id: str) -> str:
    """Bind a request id to the resource that it makes, inside the transaction that makes it.

    Returns the id to go on with: `resource_id` for a new request, the first answer's id for a repeated
    one (https://google.aip.dev/155). An empty request id is always new.
    """
    if not request_id:
        return resource_id
    owner: Any = await connection.fetchval(
        "WITH claimed AS (INSERT INTO requests (method, request_id, resource_id) VALUES ($1, $2, $3) "
        "ON CONFLICT (method, request_id) DO UPDATE SET method = EXCLUDED.method RETURNING resource_id) "
        "SELECT resource_id FROM claimed",
        method,
        request_id,
        resource_id,
    )
    return str(owner)


async def first_answer(pool: Pool, method: str, request_id: str) -> str | None:
    """Id of what a request id made before; nothing for a new request, and for one without an id."""
    if not request_id:
        return None
    resource_id: str | None = await pool.fetchval(
        "SELECT resource_id FROM requests WHERE method = $1 AND request_id = $2", method, request_id
    )
    return resource_id


async def forget_requests(connection: Connection, *resource_ids: str) -> None:
    """Let the requests that made some resources make new ones; goes with what deletes them."""
    await connection.execute("DELETE FROM requests WHERE resource_id = ANY ($1::uuid[])", resource_ids)
