from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from services.runtime.errors import FailedPrecondition
from services.trainer.workers import devices
from services.trainer.workers.devices import (
    Device,
    accelerators,
    devices_of_machine,
    enough,
    environment,
    may_have_accelerators,
    memory_of_machine,
    nodes_of_machine,
)

CARDS = [{"name": "K100_AI", "memory_bytes": 64 << 30, "uuid": ""} for _ in range(2)]
TOLD: dict[str, Any] = {"hip": True, "devices": CARDS}


def test_cards_are_named_by_what_made_them_visible() -> None:
    found = accelerators(TOLD, {"HIP_VISIBLE_DEVICES": "2,3"})
    assert [(card.id, card.name, card.index) for card in found] == [
        ("cuda:2", "K100_AI #0", "2"),
        ("cuda:3", "K100_AI #1", "3"),
    ]
    assert environment(found[1:]) == {"HIP_VISIBLE_DEVICES": "3"}
    whole = accelerators({**TOLD, "hip": False}, {})
    assert environment(whole) == {"CUDA_VISIBLE_DEVICES": "0,1"}
    named = accelerators({"devices": [{**CARDS[0], "uuid": "12-34"}]}, {"CUDA_VISIBLE_DEVICES": "1"})
    assert [(card.id, card.index) for card in named] == [("12-34", "1")]
    assert accelerators({}, {}) == ()


def test_processes_share_a_cpu_and_have_a_card_each() -> None:
    assert enough([Device("cpu", "cpu", "2 processors", 1)], 4) == 1
    assert enough(accelerators(TOLD, {}), 2) == 2
    assert environment([Device("cpu", "cpu", "2 processors", 1)]) == {}


async def test_a_machine_without_a_driver_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "may_have_accelerators", lambda: False)
    (cpu,) = await devices_of_machine("auto", "", Path("/no/such/python"))
    assert (cpu.id, cpu.kind, cpu.memory_bytes > 0) == ("cpu", "cpu", True)


async def test_only_the_cards_that_it_may_have_are_leased(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def told(_python: Path) -> dict[str, Any]:
        return TOLD

    monkeypatch.setattr(devices, "ask_torch", told)
    (second,) = await devices_of_machine("cuda", "1", Path(sys.executable))
    assert second.id == "cuda:1"
    with pytest.raises(FailedPrecondition, match="torch sees 2 accelerators") as caught:
        await devices_of_machine("cuda", "7", Path(sys.executable))
    assert caught.value.reason == "DEVICE_UNAVAILABLE"


async def test_what_torch_prints_beside_its_answer_does_no_harm(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "warning: old driver"\necho \'{"hip": true, "devices": []}\'\n')
    python.chmod(0o755)
    assert await devices.ask_torch(python) == {"hip": True, "devices": []}
    python.write_text("#!/bin/sh\nexit 1\n")
    assert await devices.ask_torch(python) == {}


def test_devices_and_memory_are_read_from_the_system(tmp_path: Path) -> None:
    assert (may_have_accelerators(tmp_path), nodes_of_machine(tmp_path)) == (False, 1)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "kfd").write_text("")
    for number, count in enumerate((0, 240, 240)):
        node = tmp_path / "sys/class/kfd/kfd/topology/nodes" / str(number)
        node.mkdir(parents=True)
        (node / "properties").write_text(f"cpu_cores_count 0\nsimd_count {count}\n")
    assert (may_have_accelerators(tmp_path), nodes_of_machine(tmp_path)) == (True, 2)
    limit = tmp_path / "sys/fs/cgroup/memory.max"
    limit.parent.mkdir(parents=True)
    limit.write_text("1000\n")
    assert memory_of_machine(tmp_path) == 1000
    limit.write_text("max\n")
    assert memory_of_machine(tmp_path) > 1000
