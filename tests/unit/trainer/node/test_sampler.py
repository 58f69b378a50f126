"""A node that answers, answers slowly, hangs, talks nonsense, and loses its tool: metrics stay live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from prometheus_client import CollectorRegistry

from services.trainer.node.device_metrics import DeviceMetrics
from services.trainer.node.programs import Programs
from services.trainer.node.sampler import Sampler
from services.trainer.node.tools import find_tools
from tests.support.fake_smi import (
    BROKEN_JSON,
    HCU_JSON,
    NVIDIA_CSV,
    TEXT_FIELDS,
    TEXT_TABLE,
    TORN_JSON,
    FakeSmi,
)

TOTAL = 65520 * 2**20


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Node:
    """A machine with a tool, and the sampler that asks it."""

    smi: FakeSmi
    clock: Clock
    programs: Programs
    sampler: Sampler
    registry: CollectorRegistry

    def value(self, what: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"sishu_trainer_device_{what}", {"host": "node", **labels})


MakeNode = Callable[..., Node]


@pytest.fixture
def make_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeNode:
    def make(name: str = "hy-smi") -> Node:
        smi, clock = FakeSmi(tmp_path / "bin", name), Clock()
        monkeypatch.setenv("PATH", str(smi.path.parent))
        # A busy machine makes any of them slow.
        programs = Programs(60)
        sampler = Sampler(5.0, programs, clock=clock)
        registry = CollectorRegistry()
        registry.register(DeviceMetrics("node", sampler))
        return Node(smi, clock, programs, sampler, registry)

    return make


async def test_json_becomes_series(make_node: MakeNode) -> None:
    node = make_node()
    node.smi.answer(json=HCU_JSON)
    sample = await node.sampler.look()
    assert (sample.tool, sample.is_stale, len(sample.accelerators)) == ("hy-smi", False, 2)
    assert node.smi.calls == ["json"]
    assert node.value("utilization_ratio", device="0") == 0.125
    assert node.value("memory_used_bytes", device="0") == TOTAL / 2
    assert node.value("memory_installed_bytes", device="1") == TOTAL
    assert node.value("temperature_celsius", device="0") == 60
    assert node.value("power_watts", device="0") == 113
    assert node.value("power_watts", device="1") is None
    assert node.value("info", device="0", name="K100_AI", tool="hy-smi") == 1
    assert node.value("sample_stale") == 0


@pytest.mark.parametrize(
    ("answers", "calls", "watts"),
    [
        ({"json": BROKEN_JSON}, ["json"], 91.0),
        ({"json": TORN_JSON, "fields": TEXT_FIELDS}, ["json", "fields"], 113.0),
        ({"json": "usage: hy-smi [-h]", "table": TEXT_TABLE}, ["json", "fields", "table"], 113.0),
    ],
)
async def test_what_cannot_be_read_is_asked_for_in_another_way(
    make_node: MakeNode, answers: dict[str, str], calls: list[str], watts: float
) -> None:
    node = make_node()
    node.smi.answer(**answers)
    await node.sampler.look()
    assert node.smi.calls == calls
    assert node.value("power_watts", device="0") == watts
    assert node.sampler.failures == {}


async def test_the_table_is_completed_with_what_json_said_before(make_node: MakeNode) -> None:
    node = make_node()
    node.smi.answer(json=HCU_JSON)
    await node.sampler.look()
    node.smi.answer(table=TEXT_TABLE)
    await node.sampler.look()
    assert node.value("memory_used_bytes", device="0") == int(TOTAL * 0.85)
    assert node.value("info", device="0", name="K100_AI", tool="hy-smi") == 1


async def test_a_hanging_tool_is_killed_and_its_last_values_become_stale(make_node: MakeNode) -> None:
    node = make_node()
    node.smi.answer(json=HCU_JSON)
    await node.sampler.look()
    node.smi.answer(json=HCU_JSON)
    node.smi.pause(600)
    node.programs.seconds = 0.5
    began = time.monotonic()
    node.clock.now = 6
    sample = await node.sampler.look()
    assert time.monotonic() - began < 100
    assert (sample.reason, sample.is_stale) == ("timeout", False)
    assert "hy-smi gave no answer within 0.5 s" in sample.message
    assert not [
        one for one in psutil.Process().children(recursive=True) if str(node.smi.path) in cmdline(one)
    ]
    # The driver hangs: to ask it in other ways would only take longer.
    assert set(node.smi.calls) == {"json"}
    node.clock.now = 16
    assert node.sampler.sample.is_stale
    assert node.value("sample_stale") == 1
    assert node.value("utilization_ratio", device="0") == 0.125
    assert node.value("sample_failures_total", reason="timeout") == 1
    node.clock.now = 700
    assert node.value("utilization_ratio", device="0") is None
    assert node.value("sample_stale") == 1
    node.smi.answer(json=HCU_JSON)
    node.programs.seconds = 60
    await node.sampler.look()
    assert (node.value("sample_stale"), node.value("utilization_ratio", device="0")) == (0, 0.125)
    assert node.sampler.sample.reason == ""


def cmdline(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


async def test_a_slow_tool_keeps_nobody_waiting(make_node: MakeNode) -> None:
    node = make_node()
    node.smi.answer(json=HCU_JSON)
    node.smi.pause(0.4)
    stop, beats = asyncio.Event(), 0
    running = asyncio.create_task(node.sampler.run(stop))
    while not node.sampler.sample.tool:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        beats += time.monotonic() - began < 0.3
    assert beats > 10
    stop.set()
    await asyncio.wait_for(running, 5)


async def test_it_ends_while_a_tool_hangs(make_node: MakeNode) -> None:
    node = make_node()
    node.smi.answer(json=HCU_JSON)
    node.smi.pause(60)
    stop = asyncio.Event()
    running = asyncio.create_task(node.sampler.run(stop))
    async with asyncio.timeout(20):
        while not node.smi.calls:
            await asyncio.sleep(0.02)
        stop.set()
        await running
    children = psutil.Process().children(recursive=True)
    assert not [each for each in children if str(node.smi.path) in cmdline(each)]
    assert node.sampler.sample.tool == ""


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [({}, "failed"), (dict.fromkeys(("json", "fields", "table"), "oops"), "unreadable")],
)
async def test_a_tool_that_says_nothing_of_use_is_a_failure(
    make_node: MakeNode, trouble: dict[str, str], reason: str
) -> None:
    node = make_node()
    node.smi.answer(json=HCU_JSON)
    await node.sampler.look()
    node.smi.answer(**trouble)
    sample = await node.sampler.look()
    assert sample.reason == reason
    assert len(sample.accelerators) == 2
    assert node.value("sample_failures_total", reason=reason) == 1


async def test_a_tool_that_vanishes_is_a_failure_and_one_that_never_was_is_none(make_node: MakeNode) -> None:
    node = make_node()
    node.smi.vanish()
    sample = await node.sampler.look()
    assert (sample.reason, sample.tool, sample.is_stale, node.sampler.failures) == ("", "", False, {})
    node.smi.answer(json=HCU_JSON)
    await node.sampler.look()
    node.smi.vanish()
    sample = await node.sampler.look()
    assert (sample.reason, len(sample.accelerators)) == ("missing", 2)
    node.clock.now = 130
    assert node.value("sample_stale") == 1


async def test_nvidia_is_asked_where_there_is_no_other(make_node: MakeNode) -> None:
    node = make_node("nvidia-smi")
    assert [tool.name for tool in find_tools()] == ["nvidia-smi"]
    node.smi.answer(csv=NVIDIA_CSV)
    assert (await node.sampler.look()).tool == "nvidia-smi"
    assert node.value("power_limit_watts", device="1") == 700
