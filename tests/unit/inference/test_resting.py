from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.inference import resting
from services.inference.deployments import Deployment, DeploymentOptions
from services.inference.engine_process import EngineProcess
from services.inference.resting import Waker, until_idle
from services.inference.sharing import Seat
from services.inference.store import DeploymentStore
from services.runtime.errors import FailedPrecondition

NOW = datetime.now(UTC)


def deployment(state: str, idle_seconds: int = 1) -> Deployment:
    options = DeploymentOptions(idle_seconds=idle_seconds)
    return Deployment("d1", "p1", "m1", state, None, "builtin", "", "m", 0, NOW, NOW, options)


class Notes:
    """A store in which a load ends as it was told."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.told: list[str] = []
        self.idle = False

    async def get(self, _: str) -> Deployment:
        return deployment(self.states.pop(0) if len(self.states) > 1 else self.states[0])

    async def load_again(self, _: str) -> None:
        self.told.append("load again")

    async def touch(self, _: str) -> None:
        self.told.append("touch")

    async def set_idle(self, _: str, seconds: float) -> bool:
        self.told.append(f"idle for {seconds}")
        return self.idle


async def test_what_was_unloaded_is_loaded_for_whoever_asks() -> None:
    notes, wake = Notes("loading", "ready"), asyncio.Event()
    waker = Waker(cast(DeploymentStore, notes), wake, 5)
    assert (await waker.awake(deployment("idle"))).state == "ready"
    assert wake.is_set()
    assert notes.told == ["load again", "touch"]
    # Another question has begun the load already.
    assert (await waker.awake(deployment("loading"))).state == "ready"
    assert notes.told == ["load again", "touch"] * 2
    await waker.awake(deployment("ready", idle_seconds=0))
    assert (await waker.awake(deployment("loading", idle_seconds=0))).state == "loading"
    assert len(notes.told) == 4


async def test_a_load_that_takes_too_long_is_said() -> None:
    waker = Waker(cast(DeploymentStore, Notes("loading")), asyncio.Event(), 0.05)
    with pytest.raises(FailedPrecondition) as caught:
        await waker.awake(deployment("idle"))
    assert caught.value.reason == "DEPLOYMENT_NOT_READY"


async def test_an_engine_at_work_is_not_unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "LONGEST_POLL_SECONDS", 0.01)
    state: dict[str, Any] = {"active": 1, "waiting": 0}

    async def health(_: web.Request) -> web.Response:
        return web.json_response(state)

    application, notes = web.Application(), Notes("ready")
    application.router.add_get("/health", health)
    async with TestServer(application) as server:
        engine = cast(EngineProcess, type("E", (), {"base_url": str(server.make_url("/v1"))})())
        seat = Seat(engine, "m", asyncio.Event().wait)  # type: ignore[arg-type]  # never left
        waiting = asyncio.create_task(until_idle(cast(DeploymentStore, notes), deployment("ready"), seat))
        await asyncio.sleep(0.1)
        assert notes.told == []
        state["active"] = 0
        notes.idle = True
        await asyncio.wait_for(waiting, 5)
    assert notes.told == ["idle for 1"]
