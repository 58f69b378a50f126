from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from services.inference.deployments import Deployment, ModelFolders
from services.inference.loading import Loader
from services.inference.metrics import InferenceMetrics
from services.inference.sharing import Seat, Seats
from services.inference.store import DeploymentStore
from services.inference.supervisor import Supervisor
from services.runtime.errors import NotFound, Unavailable
from services.runtime.failures import Failure

AWAY = Unavailable("SERVICE_UNREACHABLE", "the trainer room is away")
GONE = NotFound("MODEL_NOT_FOUND", "the model is gone")
CRASH = Unavailable("ENGINE_ENDED", "the engine ended by signal 11")


class Notes:
    """A store that writes down what it is told; its database may be away at first."""

    def __init__(self, away: int = 0) -> None:
        self.told: list[str] = []
        self._away = away

    def _note(self, text: str) -> None:
        if self._away:
            self._away -= 1
            raise ConnectionRefusedError
        self.told.append(text)

    async def set_ready(self, _: str, base_url: str, __: str) -> None:
        self._note(f"ready {base_url}")

    async def set_loading_again(self, _: str) -> None:
        self._note("loading again")

    async def set_failed(self, _: str, failure: Failure) -> None:
        self._note(f"failed {failure.reason}")


class Script:
    """Loader and engines in one: every start goes as the next entry says, the engines end at once."""

    def __init__(self, *entries: Exception | str) -> None:
        self._entries = list(entries)
        self.alive = 0
        self.living = asyncio.Event()

    async def prepare(self, _: str) -> ModelFolders:
        return ModelFolders(Path())

    async def start(self, _: Deployment, __: ModelFolders) -> Seat:
        entry = self._entries.pop(0)
        if isinstance(entry, Exception):
            raise entry
        self.alive += 1
        return cast(Seat, Engine(self, entry))


class Engine:
    """An engine that ends by itself at once, unless it is the one that lives."""

    pid = 1
    model_name = "m"

    def __init__(self, script: Script, base_url: str) -> None:
        self._script = script
        self.base_url = base_url

    async def wait(self) -> int:
        if self.base_url == "lives":
            self._script.living.set()
            await asyncio.Event().wait()
        return -9

    async def stop(self) -> None:
        self._script.alive -= 1


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.inference.supervisor.delay_seconds", lambda _: 0.0)
    monkeypatch.setattr("services.inference.supervisor.DATABASE_POLL_SECONDS", 0.0)


async def keep(notes: Notes, *entries: Exception | str) -> Sequence[str]:
    """Keep a deployment until it fails, or until an engine lives."""
    now = datetime.now(UTC)
    deployment = Deployment("d1", "p1", "m1", "loading", None, "builtin", "", "m", 0, now, now)
    script = Script(*entries)
    supervisor = Supervisor(
        cast(DeploymentStore, notes),
        cast(Loader, script),
        cast(Seats, script),
        InferenceMetrics(CollectorRegistry()),
    )
    task = asyncio.create_task(supervisor.keep(deployment))
    living = asyncio.create_task(script.living.wait())
    await asyncio.wait({task, living}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert task.done() or living.done()
    for one in (task, living):
        one.cancel()
    await asyncio.wait({task, living})
    assert script.alive == 0
    return notes.told


async def test_a_deployment_that_cannot_be_loaded_fails_after_three_starts() -> None:
    told = await keep(Notes(), CRASH, CRASH, CRASH)
    assert told == ["loading again", "loading again", "failed ENGINE_ENDED"]


async def test_what_will_never_load_fails_at_once() -> None:
    assert await keep(Notes(), GONE) == ["failed MODEL_NOT_FOUND"]


async def test_rooms_that_are_away_are_waited_for() -> None:
    assert await keep(Notes(), *[AWAY] * 20, "lives") == ["ready lives"]


async def test_an_engine_that_ends_is_started_again_as_often_as_it_ends() -> None:
    told = await keep(Notes(), "a", "b", "c", "d", "lives")
    assert told == [
        f"ready {name}" if name else "loading again" for name in ("a", "", "b", "", "c", "", "d", "", "lives")
    ]


async def test_starts_that_failed_are_forgotten_once_one_went_well() -> None:
    told = await keep(Notes(), CRASH, CRASH, "a", CRASH, CRASH, "lives")
    assert told[-1] == "ready lives"
    assert told.count("loading again") == 5


async def test_a_database_that_is_away_is_waited_for() -> None:
    assert await keep(Notes(away=3), "lives") == ["ready lives"]


async def test_an_unforeseen_error_counts_as_failed_for_good() -> None:
    assert await keep(Notes(), RuntimeError("a defect")) == ["failed INTERNAL"]
