"""Deployments that share one engine, and the room's OpenAI address over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import openai
import pytest
from aiohttp.test_utils import TestServer
from openai import AsyncOpenAI
from prometheus_client import CollectorRegistry

from services.inference.config import InferenceConfig
from services.inference.deployments import Deployment, DeploymentOptions, ModelFolders
from services.inference.engine.adapters import Adapters
from services.inference.engine.model import load_model
from services.inference.engine.server import listening
from services.inference.engine_process import EngineProcess, Engines
from services.inference.gateway.server import Gateway
from services.inference.metrics import InferenceMetrics
from services.inference.resting import Waker
from services.inference.sharing import Seats
from services.inference.store import DeploymentStore
from services.runtime.config import RuntimeConfig
from services.runtime.errors import InvalidArgument
from tests.unit.inference.engine.test_serve_adapters import make_adapter
from tests.unit.inference.engine.tiny import NAME, flags

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing")

TOKEN = "a-token-of-the-service"  # noqa: S105  # no secret
ASK: Any = [{"role": "user", "content": "Where is the river?"}]


class Room:
    """Starts engines in this process, and knows what is deployed."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.token = folder / "token"
        self.started: list[Engine] = []
        self.deployments: list[Deployment] = []

    async def start_shared(self, _: Deployment, base: Path, name: str) -> EngineProcess:
        model = load_model(flags(base))
        port = await self._stack.enter_async_context(
            listening(flags(base, name=name, runtime_adapters=True), model)
        )
        self.started.append(Engine(port, model.adapters))
        return cast(EngineProcess, self.started[-1])

    async def all(self) -> list[Deployment]:
        return self.deployments

    def forget_others(self, kept: set[str]) -> None:
        self.kept = kept


class Engine:
    """An engine as the room sees it."""

    def __init__(self, port: int, adapters: Adapters) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self.pid = port
        self.adapters = adapters
        self.ended = False
        self._end = asyncio.Event()

    async def wait(self) -> int:
        await self._end.wait()
        return -9

    async def stop(self) -> None:
        self.ended = True
        self._end.set()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    (tmp_path / "token").write_text(TOKEN)
    async with AsyncExitStack() as stack:
        yield Room(tmp_path, stack)


def deployment(number: int, name: str, **changes: Any) -> Deployment:
    now = datetime.now(UTC)
    options = DeploymentOptions(shared=True)
    made = Deployment(
        f"d{number}", "p", f"m{number}", "loading", None, "builtin", "", name, 0, now, now, options
    )
    return replace(made, **changes)


async def test_deployments_of_one_base_share_an_engine_and_are_reached_by_name(
    folder: Path, room: Room, tmp_path: Path
) -> None:
    first = make_adapter(folder, tmp_path / "one", 1, target_modules=["q_proj"])
    second = make_adapter(folder, tmp_path / "two", 2, target_modules=["v_proj"])
    seats = Seats(cast(Engines, room))
    wanted = [
        (deployment(1, "law"), ModelFolders(folder, first, NAME)),
        (deployment(2, NAME), ModelFolders(folder)),
        (deployment(3, "law"), ModelFolders(folder, second, NAME)),
    ]
    taken = await asyncio.gather(*(seats.start(*each) for each in wanted))
    assert len(room.started) == 1
    # Two adapters of one name: the second is known by its deployment's id.
    assert sorted(seat.model_name for seat in taken) in (
        sorted(["law", NAME, "d3"]),
        sorted(["law", NAME, "d1"]),
    )
    room.deployments = [
        replace(each, state="ready", base_url=seat.base_url, served_model_name=seat.model_name)
        for (each, _), seat in zip(wanted, taken, strict=True)
    ]
    await ask_by_name(room, [seat.model_name for seat in taken])
    seats.forget_others(["d1"])
    assert room.kept == {"d1", "d2", "d3"}
    engine = room.started[0]
    await taken[1].stop()
    await taken[0].stop()
    assert [adapter.name for adapter in engine.adapters] == [taken[2].model_name]
    assert not engine.ended
    await taken[2].stop()
    assert engine.ended
    again = await seats.start(*wanted[1])
    assert len(room.started) == 2
    await again.stop()


async def ask_by_name(room: Room, names: list[str]) -> None:
    store = cast(DeploymentStore, room)
    waker = Waker(store, asyncio.Event(), 1)
    runtime = RuntimeConfig(database_url="", s3_url="", token_file=room.token)
    gateway = Gateway(store, waker, InferenceMetrics(CollectorRegistry()), runtime, InferenceConfig())
    async with (
        TestServer(gateway.application()) as server,
        AsyncOpenAI(base_url=str(server.make_url("/v1")), api_key=TOKEN, max_retries=0, timeout=60) as client,
    ):
        assert sorted([each.id async for each in client.models.list()]) == sorted(names)
        said = set()
        for name in [*names, "d2"]:
            answer = await client.chat.completions.create(
                model=name, messages=ASK, temperature=0, max_tokens=12
            )
            said.add(answer.choices[0].message.content)
            stream = await client.chat.completions.create(
                model=name, messages=ASK, temperature=0, max_tokens=12, stream=True
            )
            texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
            assert "".join(texts) == answer.choices[0].message.content
        assert len(said) == 3
        assert (await client.completions.create(model="d2", prompt="The", max_tokens=2)).choices[0].text
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="wrong").models.list()
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(model="nobody", messages=ASK)
        assert missing.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as wrong:
            await client.chat.completions.create(model=names[0], messages=ASK, temperature=3)
        assert wrong.value.param == "temperature"
        with pytest.raises(openai.APIStatusError) as large:
            await client.completions.create(model=names[0], prompt="x" * 10_000_000)
        assert (large.value.status_code, large.value.code) == (413, "request_too_large")


async def test_an_adapter_that_cannot_be_mixed_leaves_no_engine_behind(
    folder: Path, room: Room, tmp_path: Path
) -> None:
    odd = make_adapter(folder, tmp_path / "odd", 1, target_modules=["q_proj"], use_dora=True)
    seats = Seats(cast(Engines, room))
    with pytest.raises(InvalidArgument) as refused:
        await seats.start(deployment(1, "odd"), ModelFolders(folder, odd, NAME))
    assert refused.value.reason == "ADAPTER_NOT_MIXABLE"
    assert room.started[0].ended


async def test_an_engine_that_ended_is_not_joined(folder: Path, room: Room) -> None:
    seats = Seats(cast(Engines, room))
    lost = await seats.start(deployment(1, NAME), ModelFolders(folder))
    await room.started[0].stop()
    assert await lost.wait() == -9
    await lost.stop()
    found = await seats.start(deployment(1, NAME), ModelFolders(folder))
    assert found.base_url != lost.base_url
    await found.stop()
