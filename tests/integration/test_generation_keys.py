"""Keys of providers: from a variable, a file or the database to the server, and nowhere else."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.message import Message

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.generation.v1 import provider_pb2
from sishu.generation.v1 import provider_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.stores import Room, Stores
from tests.support.mock_llm import MockServer, mock_llm

PLANTED = "sk-planted-7d1f"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "keys"
    made.mkdir()
    (made / "mock").write_text(f"{PLANTED}\n")
    (made / "mock").chmod(stat.S_IRUSR)
    return made


@pytest_asyncio.fixture
async def room(start_room: StartRoom, folder: Path) -> Room:
    env = {
        "MOCK_API_KEY": PLANTED,
        "WRONG_API_KEY": f"{PLANTED}-wrong",
        "SISHU_PROVIDER_KEY_FOLDER": str(folder),
        "SISHU_LOG_LEVEL": "debug",
    }
    return await start_room("generation", env=env)


@pytest_asyncio.fixture
async def mock() -> AsyncIterator[MockServer]:
    async with mock_llm(api_key=PLANTED) as server:
        yield server


class Providers:
    """Provider rpcs whose every answer is kept, to be searched for keys."""

    def __init__(self, client: Client, base_url: str) -> None:
        self._stub = client.providers
        self._base: dict[str, Any] = {"project_id": new_id(), "base_url": base_url, "model": "mock-model"}
        self.answers: list[Message] = []

    async def create(self, name: str, **fields: Any) -> provider_pb2.Provider:
        wanted = provider_pb2.Provider(name=name, **self._base, **fields)
        answer = await self._stub.CreateProvider(pb.CreateProviderRequest(provider=wanted))
        self.answers += [answer, await self._stub.GetProvider(pb.GetProviderRequest(id=answer.provider.id))]
        return answer.provider

    async def test(self, provider: provider_pb2.Provider) -> str:
        answer = await self._stub.TestProvider(pb.TestProviderRequest(id=provider.id))
        self.answers.append(answer)
        return answer.failure.reason

    async def list(self) -> None:
        request = pb.ListProvidersRequest(project_id=self._base["project_id"])
        self.answers.append(await self._stub.ListProviders(request))


async def test_a_key_reaches_the_server_and_neither_answers_nor_logs_nor_the_database(
    own_client: Client, room: Room, mock: MockServer, stores: Stores
) -> None:
    providers = Providers(own_client, mock.base_url)
    works = {
        "stored": {"api_key": PLANTED},
        "variable": {"api_key_variable": "MOCK_API_KEY"},
        "file": {"api_key_file": "mock"},
    }
    for name, credential in works.items():
        made = await providers.create(name, **credential)
        assert made.has_api_key
        assert await providers.test(made) == ""
    wrong = await providers.create("wrong", api_key_variable="WRONG_API_KEY")
    assert await providers.test(wrong) == "PROVIDER_REFUSED_KEY"
    await providers.list()
    async with stores.pool("generation") as pool:
        rows = await pool.fetch("SELECT providers::text FROM providers")
    assert len(rows) == 4
    for place in (*map(str, providers.answers), *map(str, rows), room.log()):
        assert PLANTED not in place


async def test_a_key_that_is_not_where_the_provider_says_is_missed_by_name(
    own_client: Client, room: Room, mock: MockServer, folder: Path
) -> None:
    providers = Providers(own_client, mock.base_url)
    variable = await providers.create("variable", api_key_variable="UNSET_API_KEY")
    file = await providers.create("file", api_key_file="later")
    assert [await providers.test(one) for one in (variable, file)] == ["PROVIDER_KEY_MISSING"] * 2
    said = str(providers.answers)
    assert "UNSET_API_KEY" in said
    assert str(folder) in said
    (folder / "later").write_text(PLANTED)
    assert await providers.test(file) == ""
