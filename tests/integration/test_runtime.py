"""Rooms as processes, their migrations, and request ids: on a real Postgres."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime.db import Pool, claim_request, migrate, open_pool, transaction
from services.runtime.errors import FailedPrecondition, Unavailable
from services.runtime.ids import new_id
from services.runtime.queue import install_queue
from services.runtime.room import RUNTIME_MIGRATIONS
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1 import provider_pb2
from sishu.generation.v1 import provider_service_pb2 as provider_pb
from sishu.ingest.v1 import project_pb2
from sishu.ingest.v1 import project_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.processes import eventually
from tests.integration.stores import (
    HOST,
    ROOT,
    Rooms,
    Servers,
    Stores,
    administer,
    room_environment,
)
from tests.support.mock_llm import mock_llm


def name() -> str:
    return f"project {secrets.token_hex(4)}"


async def create(client: Client, project: str, request_id: str = "") -> str:
    request = pb.CreateProjectRequest(project=project_pb2.Project(name=project), request_id=request_id)
    return (await client.projects.CreateProject(request)).project.id


# --- request ids and pages


async def test_calls_with_one_request_id_make_one_project_however_many_run_at_once(rooms: Rooms) -> None:
    request_id, project = new_id(), name()
    ids = await asyncio.gather(*(create(rooms.client, project, request_id) for _ in range(20)))
    assert len(set(ids)) == 1
    assert await create(rooms.client, name(), request_id) == ids[0]
    listed = await rooms.client.projects.ListProjects(pb.ListProjectsRequest(name=project))
    assert [one.id for one in listed.projects] == [ids[0]]


async def test_a_request_that_failed_leaves_its_request_id_free(rooms: Rooms) -> None:
    request_id, taken = new_id(), name()
    await create(rooms.client, taken)
    with pytest.raises(ApiError) as raised:
        await create(rooms.client, taken, request_id)
    assert (raised.value.code, raised.value.field) == ("ALREADY_EXISTS", "project.name")
    assert await create(rooms.client, name(), request_id)


async def test_a_request_id_belongs_to_its_method(stores: Stores) -> None:
    request_id, first, second = new_id(), new_id(), new_id()
    async with stores.pool("ingest") as pool:
        async with transaction(pool) as connection:
            assert await claim_request(connection, "One", request_id, first) == first
            assert await claim_request(connection, "Two", request_id, second) == second
        async with transaction(pool) as connection:
            assert await claim_request(connection, "One", request_id, second) == first
            assert await claim_request(connection, "One", "", second) == second


async def test_pages_together_are_the_list(rooms: Rooms) -> None:
    made = [await create(rooms.client, name()) for _ in range(5)]
    seen, token = [], ""
    while True:
        request = pb.ListProjectsRequest(page_size=2, page_token=token)
        page = await rooms.client.projects.ListProjects(request)
        assert len(page.projects) <= 2
        seen += [project.id for project in page.projects]
        token = page.next_page_token
        if not token:
            break
    assert len(set(seen)) == len(seen)
    assert seen[:5] == made[::-1]


async def test_a_page_token_of_another_list_is_refused_by_its_field(rooms: Rooms) -> None:
    await create(rooms.client, name())
    await create(rooms.client, name())
    page = await rooms.client.projects.ListProjects(pb.ListProjectsRequest(page_size=1))
    for request in (
        pb.ListProjectsRequest(page_token=page.next_page_token, name="other"),
        pb.ListProjectsRequest(page_token=page.next_page_token[:-4] + "AAAA"),
        pb.ListProjectsRequest(page_token="nonsense"),  # noqa: S106  # no password
    ):
        with pytest.raises(ApiError) as raised:
            await rooms.client.projects.ListProjects(request)
        assert (raised.value.code, raised.value.reason, raised.value.field) == (
            "INVALID_ARGUMENT",
            "PAGE_TOKEN_INVALID",
            "page_token",
        )


# --- migrations


@asynccontextmanager
async def empty_database(servers: Servers) -> AsyncIterator[str]:
    database = f"empty_{secrets.token_hex(4)}"
    await administer(servers, f'CREATE DATABASE "{database}"')
    try:
        yield servers.database_url(database)
    finally:
        await administer(servers, f'DROP DATABASE "{database}" WITH (FORCE)')


@asynccontextmanager
async def pool_of(url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(url, "ingest", 2)
    try:
        yield pool
    finally:
        pool.terminate()


async def tables(pool: Pool) -> set[str]:
    return {row[0] for row in await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'ingest'")}


async def test_several_processes_may_migrate_at_once(servers: Servers) -> None:
    folders = [RUNTIME_MIGRATIONS, ROOT / "services" / "ingest" / "sql" / "migrations"]

    async def start(url: str) -> list[str]:
        async with pool_of(url) as pool:
            applied = await migrate(pool, "ingest", folders)
            await install_queue(pool, "ingest")
            return applied

    async with empty_database(servers) as url:
        applied = await asyncio.gather(*(start(url) for _ in range(4)))
        async with pool_of(url) as pool:
            assert {"jobs", "documents", "pgqueuer"} <= await tables(pool)
    files = sum(len(list(folder.glob("*.sql"))) for folder in folders)
    assert sorted(map(len, applied)) == [0, 0, 0, files]


async def test_a_migration_that_changed_after_it_was_applied_is_refused(
    servers: Servers, tmp_path: Path
) -> None:
    folder = tmp_path / "sql" / "migrations"
    folder.mkdir(parents=True)
    first = folder / "0001_first.sql"
    first.write_text("CREATE TABLE one (id integer)")
    async with empty_database(servers) as url, pool_of(url) as pool:
        assert await migrate(pool, "ingest", [folder]) == ["sql/0001_first.sql"]
        (folder / "0002_second.sql").write_text("CREATE TABLE two (id integer)")
        first.write_text("CREATE TABLE one (id bigint)")
        with pytest.raises(FailedPrecondition, match=r"sql/0001_first\.sql was changed") as raised:
            await migrate(pool, "ingest", [folder])
        assert raised.value.reason == "MIGRATION_CHANGED"
        assert await tables(pool) == {"migrations", "one"}
        first.write_text("CREATE TABLE one (id integer)")
        assert await migrate(pool, "ingest", [folder]) == ["sql/0002_second.sql"]


async def test_a_migration_that_fails_leaves_nothing_behind(servers: Servers, tmp_path: Path) -> None:
    folder = tmp_path / "sql" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_good.sql").write_text("CREATE TABLE one (id integer)")
    (folder / "0002_bad.sql").write_text("CREATE TABLE two (id integer); SELECT nonsense")
    async with empty_database(servers) as url, pool_of(url) as pool:
        with pytest.raises(Exception, match="nonsense"):
            await migrate(pool, "ingest", [folder])
        assert await tables(pool) == set()


async def test_a_database_that_is_not_there_names_the_variable() -> None:
    with pytest.raises(Unavailable, match="SISHU_DATABASE_URL") as raised:
        await open_pool(f"postgresql://user:secret@{HOST}:9/x", "ingest", 2)
    assert "secret" not in raised.value.message


# --- processes


async def started_badly(stores: Stores, room: str, **changes: str) -> tuple[int, str]:
    """Exit code and standard error of a room that cannot start."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{room}"),
        env={name: value for name, value in room_environment(stores, changes).items() if value},
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, errors.decode()


async def test_a_room_that_cannot_start_says_why_in_one_line_and_ends_with_code_1(stores: Stores) -> None:
    starts = await asyncio.gather(
        started_badly(stores, "ingest", SISHU_HOST="0.0.0.0"),  # noqa: S104  # it must refuse
        started_badly(stores, "ingest", SISHU_DATABASE_URL=""),
        started_badly(stores, "ingest", SISHU_S3_URL="nonsense"),
    )
    for (code, said), wanted in zip(
        starts, ["SISHU_TOKEN_FILE", "SISHU_DATABASE_URL is not set", "SISHU_S3_URL"], strict=True
    ):
        assert code == 1
        last = said.splitlines()[-1]
        assert last.startswith("sishu ingest: ")
        assert wanted in last
        assert "Traceback" not in said


async def health(address: str) -> int:
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)  # type: ignore[attr-defined]  # the stubs know no asyncio
        return int(answer.status)


async def readiness(port: int) -> int:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"http://{HOST}:{port}/readyz")).status_code


async def test_a_room_says_that_it_cannot_work_while_postgres_is_away(
    stores: Stores, start_room: StartRoom, own_client: Client
) -> None:
    room = await start_room("ingest")
    address = stores.addresses["ingest"]
    assert await health(address) == health_pb2.HealthCheckResponse.SERVING
    await stores.servers.postgres.stop()
    await eventually(lambda: is_away(address, room.metrics_port), 20)
    with pytest.raises(ApiError) as raised:
        await own_client.projects.ListProjects(pb.ListProjectsRequest())
    assert (raised.value.code, raised.value.reason) == ("UNAVAILABLE", "DATABASE_UNAVAILABLE")
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"http://{HOST}:{room.metrics_port}/livez")).status_code == 200
    await stores.servers.postgres.start()
    await eventually(lambda: is_back(address, room.metrics_port), 20)
    assert await create(own_client, name())
    assert room.process.running
    assert "Traceback" not in room.log()


async def is_away(address: str, port: int) -> bool:
    return (
        await health(address) == health_pb2.HealthCheckResponse.NOT_SERVING and await readiness(port) == 503
    )


async def is_back(address: str, port: int) -> bool:
    return await health(address) == health_pb2.HealthCheckResponse.SERVING and await readiness(port) == 200


async def provider(client: Client, base_url: str, key: str) -> str:
    wanted = provider_pb2.Provider(
        project_id=new_id(), name="n", base_url=base_url, model="mock-model", api_key=key
    )
    made = await client.providers.CreateProvider(provider_pb.CreateProviderRequest(provider=wanted))
    assert made.provider.has_api_key
    assert made.provider.api_key == ""
    return made.provider.id


async def test_a_room_told_to_stop_ends_the_call_in_flight_and_shows_no_key(
    stores: Stores, start_room: StartRoom, own_client: Client
) -> None:
    room = await start_room("generation", env={"SISHU_LOG_LEVEL": "debug"})
    async with mock_llm(latency_ms=1500, api_key="sk-right-one") as mock:
        wrong = await provider(own_client, mock.base_url, "sk-planted-0123456789")
        refused = await own_client.providers.TestProvider(provider_pb.TestProviderRequest(id=wrong))
        assert (refused.ok, refused.failure.reason) == (False, "PROVIDER_REFUSED_KEY")
        key = provider_pb2.Provider(id=wrong, api_key="sk-right-one")
        change = provider_pb.UpdateProviderRequest(provider=key)
        change.update_mask.paths.append("api_key")
        await own_client.providers.UpdateProvider(change)
        call = asyncio.ensure_future(
            own_client.providers.TestProvider(provider_pb.TestProviderRequest(id=wrong))
        )
        await eventually(lambda: is_asked(mock.base_url))
        room.process.send(signal.SIGTERM)
        assert (await call).ok
    assert await room.process.wait() == 0
    for line in room.log().splitlines():
        assert json.loads(line)["room"] == "generation"
    assert "draining" in room.log()
    assert "sk-planted" not in room.log()
    assert "sk-right" not in room.log()
    async with stores.pool("generation") as pool:
        stored = await pool.fetchval("SELECT string_agg(providers::text, '') FROM providers")
    assert "sk-" not in stored
    assert not os.path.exists(f"/proc/{room.pid}")  # noqa: PTH110  # a process, not a path


async def is_asked(base_url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        stats = (await http.get(base_url.removesuffix("/v1") + "/stats")).json()
    return bool(stats["in_flight"])
