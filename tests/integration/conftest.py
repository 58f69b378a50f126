"""Fixtures of the integration tests: real stores, real room processes.

`stores`      a fresh migrated database, a fresh bucket and free ports for all rooms; `stores.env` holds the
              `SISHU_*` variables. `stores.pool("dataset")` and `stores.storage()` open them, as async contexts.
              `stores.servers.postgres` and `.s3` can be stopped and started; they run again at the end.
`start_room`  `room = await start_room("ingest")` runs `python -m services.ingest` until the test ends and
              returns when it is ready; `await start_room("generation", "worker", "--concurrency", "16",
              env={"SISHU_...": "..."})` runs a worker. `room.kill()`, `room.stop()`, `room.log()`.
`own_client`  `sishu.client.Client` for the addresses of `stores`.
`rooms`       the ingest and generation rooms with stores of their own, started once a module: quick, and
              shared by its tests, so each test makes its own project. Use `rooms.client`, `rooms.stores`.
              `client` is `rooms.client`.
              Another module makes its own set with `shared_rooms("ingest", "dataset")`:
                  rooms = pytest_asyncio.fixture(scope="module")(shared_rooms("ingest", "dataset"))
`mock`        a mock model server of the module, whose settings and counts begin anew with each test.
`servers`     the servers of the session, for tests that need nothing else.

All helpers behind the fixtures are async contexts in `stores.py`: use them to make wider scopes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from sishu.client import Client
from tests.integration.stores import (
    Room,
    Rooms,
    Servers,
    Stores,
    fresh_stores,
    shared_rooms,
    started_room,
    started_servers,
)
from tests.support.mock_llm import MockServer, mock_llm

StartRoom = Callable[..., Awaitable[Room]]
LOG_CHARS = 4000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a test that fails what its rooms said last: they are other processes."""
    report = yield
    rooms = getattr(item, "funcargs", {}).get("rooms")
    if report.failed and isinstance(rooms, Rooms):
        report.sections += [
            (f"log of the room {name}", room.log()[-LOG_CHARS:]) for name, room in rooms.processes.items()
        ]
    return report


@pytest_asyncio.fixture(scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    async with started_servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


@pytest_asyncio.fixture
async def stores(servers: Servers) -> AsyncIterator[Stores]:
    async with fresh_stores(servers) as fresh:
        yield fresh


@pytest_asyncio.fixture
async def start_room(stores: Stores) -> AsyncIterator[StartRoom]:
    async with AsyncExitStack() as stack:

        async def start(room: str, *arguments: str, env: dict[str, Any] | None = None) -> Room:
            return await stack.enter_async_context(started_room(stores, room, *arguments, env=env))

        yield start


@pytest_asyncio.fixture
async def own_client(stores: Stores) -> AsyncIterator[Client]:
    async with stores.client() as connected:
        yield connected


rooms = pytest_asyncio.fixture(scope="module")(shared_rooms("ingest", "generation"))


@pytest.fixture
def client(rooms: Rooms) -> Client:
    return rooms.client


@pytest_asyncio.fixture(scope="module")
async def running() -> AsyncIterator[MockServer]:
    async with mock_llm() as server:
        yield server


@pytest_asyncio.fixture
async def mock(running: MockServer) -> MockServer:
    await running.control(
        latency_ms=0,
        next_faults=[],
        api_key="",
        models=[],
        refused="",
        fixed={},
        rate_429=0.0,
        rate_drop=0.0,
        retry_after_s=1.0,
    )
    await running.reset()
    return running
