"""The engine of a run, watched: what becomes of it when memory lacks, it stalls, or its run is paused."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from services.runtime.errors import DeadlineExceeded, FailedPrecondition, Unavailable
from services.runtime.storage import ObjectInfo
from services.trainer.artifacts import save_spec
from services.trainer.config import TrainerConfig
from services.trainer.engine_events import RunLog
from services.trainer.leases import Lease
from services.trainer.metrics import TrainerMetrics
from services.trainer.run_events import RunEvent
from services.trainer.running import Desk, Ending, EngineRun
from services.trainer.watchdogs.replanning import MemoryPlan
from tests.unit.trainer.test_following import RUN

PROGRAM = """#!{python}
import json, os, signal, sys, time
sys.path.insert(0, os.getcwd())
from pathlib import Path
from services.trainer.engine.checkpoint import new_checkpoint
from services.trainer.engine.events import EventLog
from services.trainer.engine.stacks import listening

spec = json.loads(Path(sys.argv[-1]).read_text())
work = Path(spec["output_dir"])

def hang():
    while True:
        time.sleep(60)

with EventLog(work / "events.jsonl", "r", quiet_seconds=0.1) as events, listening(work):
    events.enter_phase("training")
{body}
    events.emit("finished", tokens_per_second=1.0)
"""
REFUSED = """
    if not spec.get("micro_tokens") or spec.get("always"):
        events.emit("failed", reason="OUT_OF_MEMORY", message="no memory")
        sys.exit(1)
"""
GREEDY = """
    if not spec.get("micro_tokens"):
        held = bytearray(b"x") * 150_000_000
        hang()
"""
STALLED = """
    hang()
"""
PAUSED = """
    def stop(*_):
        # Longer than whoever ends in a hurry waits.
        time.sleep(0.5)
        with new_checkpoint(work / "checkpoints", 7) as folder:
            (folder / "state.json").write_text("{}")
        events.emit("checkpoint", step=7)
        events.emit("stopped", step=7)
        os._exit(4)

    signal.signal(signal.SIGTERM, stop)
    events.enter_phase("ready")
    hang()
"""


DONE = """
    with new_checkpoint(work / "checkpoints", 7) as folder:
        (folder / "state.json").write_text("{}")
    events.emit("checkpoint", step=7)
"""


class Nothing:
    """A database without rows."""

    async def fetch(self, *_: object) -> list[Any]:
        return []


@dataclass
class Stub:
    """All stores of a desk, in memory."""

    config: TrainerConfig
    metrics: TrainerMetrics = field(default_factory=lambda: TrainerMetrics(CollectorRegistry()))
    told: list[RunEvent] = field(default_factory=list)
    plan: MemoryPlan | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    stored: list[int] = field(default_factory=list)
    freed: list[int] = field(default_factory=list)
    """How many checkpoints were stored when the devices were given back."""
    away: bool = False
    """Whether the bucket is."""
    holder: str = "h"
    environment: dict[str, str] = field(default_factory=dict)
    pool: Nothing = field(default_factory=Nothing)

    @property
    def same(self) -> Stub:
        return self

    store = storage = events = checkpoints = plans = files = jobs = same

    async def save_progress(self, *_: object) -> None: ...

    async def forget_trouble(self, _item_id: str) -> None: ...

    async def add(self, _run_id: str, events: Sequence[RunEvent]) -> None:
        # As the table: an engine's event stands once, however often it is read.
        known = {event.source for event in self.told}
        self.told += [event for event in events if not event.source or event.source not in known]

    async def get(self, _run_id: str) -> MemoryPlan | None:
        return self.plan

    async def make(self, _run_id: str, _config: object) -> MemoryPlan | None:
        if self.plan:
            return None
        self.plan = MemoryPlan(64, gradient_checkpointing=True)
        return self.plan

    async def of_run(self, _run_id: str) -> list[Any]:
        return []

    async def losses(self, *_: object) -> dict[int, float]:
        return {}

    async def begin(self, _id: str, _run_id: str, step: int, _prefix: str, _holder: str) -> None:
        self.stored.append(step)

    async def complete(self, *_: object) -> None: ...

    async def put_file(self, key: str, path: Path, _media_type: str = "") -> ObjectInfo:
        return await self.put_bytes(key, path.read_bytes())

    async def put_bytes(self, key: str, data: bytes, _media_type: str = "") -> ObjectInfo:
        if self.away:
            raise Unavailable("STORAGE_UNAVAILABLE", "the S3 server cannot be reached now")
        self.objects[key] = data
        return ObjectInfo(len(data), "")

    async def keep_what_there_is(self, _run: object) -> None: ...

    async def free_devices(self) -> None:
        self.freed.append(len(self.stored))

    def kinds(self) -> list[str]:
        return [event.kind for event in self.told]


@dataclass
class Scene:
    """A run's folder, and programs in the place of its engine."""

    work: Path
    ending: Ending = field(default_factory=Ending)

    def has_said(self, word: str) -> bool:
        path = self.work / "events.jsonl"
        return path.exists() and word in path.read_text()

    def run(self, body: str, spec: dict[str, object] | None = None, **config: Any) -> tuple[EngineRun, Stub]:
        python = self.work / "python"
        python.write_text(PROGRAM.format(python=sys.executable, body=body))
        python.chmod(0o755)
        whole = {"output_dir": str(self.work), **(spec or {})}
        save_spec(self.work, whole)
        stub = Stub(TrainerConfig(engine_python=python, **config))
        parts = (cast(Desk, stub), RUN, "i", self.work, whole, cast(Lease, stub), (), self.ending)
        return EngineRun(*parts, say=lambda words: None), stub


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_a_run_that_lacks_memory_goes_on_with_less_once(scene: Scene) -> None:
    engine, stub = scene.run(REFUSED)
    seen = await engine.until_finished()
    assert isinstance(seen, RunLog)
    assert seen.finished
    assert stub.kinds() == ["failed", "memory_replanned"]
    assert stub.told[1].details == {"micro_tokens": "64", "gradient_checkpointing": "True"}
    assert "no memory; it goes on with micro batches of at most 64 tokens" in stub.told[1].message
    assert stub.freed == [0]


async def test_a_run_that_lacks_memory_again_fails_and_says_what_was_tried(scene: Scene) -> None:
    engine, stub = scene.run(REFUSED, {"always": True})
    with pytest.raises(
        FailedPrecondition, match=r"no memory \(tried with micro batches of at most 64"
    ) as caught:
        await engine.until_finished()
    assert caught.value.reason == "OUT_OF_MEMORY"
    assert stub.kinds() == ["failed", "memory_replanned", "failed"]


async def test_an_engine_with_more_memory_than_it_may_have_is_ended(scene: Scene) -> None:
    engine, stub = scene.run(GREEDY, memory_bytes=120_000_000)
    assert (await engine.until_finished()).finished
    (replanned,) = stub.told
    assert "more than the 0.11 GiB of SISHU_TRAINER_MEMORY_BYTES" in replanned.message


async def test_a_stalled_engine_says_where_it_is_before_it_is_ended(scene: Scene) -> None:
    engine, stub = scene.run(STALLED, stall_seconds=1.0, stop_seconds=0.1)
    with pytest.raises(DeadlineExceeded) as caught:
        await engine.until_finished()
    assert caught.value.reason == "ENGINE_STALLED"
    (stalled,) = stub.told
    assert stalled.details["rank_0"].startswith("hang (python:")
    assert "rank 0 in hang" in stalled.message
    ((key, text),) = stub.objects.items()
    assert key == RUN.files_prefix + stalled.details["file"]
    assert b"in hang" in text


async def test_a_paused_engine_has_time_for_its_checkpoint_which_is_stored_when_devices_are_free(
    scene: Scene,
) -> None:
    engine, stub = scene.run(PAUSED, stop_seconds=0.1)
    task = asyncio.create_task(engine.until_finished())
    async with asyncio.timeout(60):
        while not scene.has_said("ready"):
            await asyncio.sleep(0.02)
    scene.ending.reason = "paused"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stub.kinds() == ["stopped", "checkpoint_stored"]
    assert (stub.stored, stub.freed) == ([7], [0])
    names = sorted(key.partition("/checkpoint/")[2] for key in stub.objects if "/checkpoint/" in key)
    assert names == ["manifest.json", "state.json"]
    told = [one for family in stub.metrics.uploaded.collect() for one in family.samples]
    size = sum(len(data) for key, data in stub.objects.items() if "checkpoints/step-" in key)
    assert [(one.labels["kind"], one.value) for one in told if one.name.endswith("_total")] == [
        ("checkpoint", size)
    ]


async def test_a_run_that_is_done_waits_for_its_last_checkpoint_with_its_devices_free(scene: Scene) -> None:
    engine, stub = scene.run(DONE, patience_seconds=30.0)
    stub.away = True
    assert (await engine.until_finished()).finished
    assert len(stub.freed) == 1
    storing = asyncio.create_task(engine.store_checkpoints())
    async with asyncio.timeout(60):
        while "upload_failed" not in stub.kinds():
            await asyncio.sleep(0.02)
    assert not storing.done()
    stub.away = False
    await storing
    assert [key.rpartition("/")[2] for key in stub.objects] == ["manifest.json", "state.json", "events.jsonl"]
    assert stub.kinds() == ["upload_failed", "checkpoint_stored"]


async def test_a_run_whose_last_checkpoint_cannot_be_stored_is_not_done(scene: Scene) -> None:
    engine, stub = scene.run(DONE, patience_seconds=0.0)
    await engine.until_finished()
    stub.away = True
    with pytest.raises(Unavailable):
        await engine.store_checkpoints()
