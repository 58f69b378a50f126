"""NVML as a source of what cards say: a module that answers as `nvidia-ml-py` does takes its place."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.trainer.node import tools
from services.trainer.node.nvml import rows_of
from services.trainer.node.programs import Programs
from services.trainer.node.sampler import Sampler
from services.trainer.node.smi_csv import QUERY
from services.trainer.node.tools import find_tools, nvidia_is_loaded

FAKE = """
from types import SimpleNamespace

NVML_TEMPERATURE_GPU = 0

class NVMLError(Exception):
    pass

def nvmlInit():
    {init}

def nvmlDeviceGetCount():
    return 3

def nvmlDeviceGetHandleByIndex(index):
    if index == 1:
        raise NVMLError("GPU is lost")
    return index

def nvmlDeviceGetName(card):
    return b"NVIDIA H100, 80GB" if card else "NVIDIA H100, 80GB"

def nvmlDeviceGetUtilizationRates(card):
    return SimpleNamespace(gpu=37)

def nvmlDeviceGetMemoryInfo(card):
    return SimpleNamespace(used=2**30, total=80 * 2**30)

def nvmlDeviceGetTemperature(card, sensor):
    return 41

def nvmlDeviceGetPowerUsage(card):
    if card:
        raise NVMLError("Not Supported")
    return 121530
"""


@pytest.fixture
def sampler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sampler:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(tools, "nvidia_is_loaded", lambda: True)
    return Sampler(5.0, Programs(60))


def install(folder: Path, init: str) -> None:
    (folder / "pynvml.py").write_text(FAKE.format(init=init), encoding="utf-8")


async def test_cards_are_read_and_what_is_not_known_is_left_out(sampler: Sampler, tmp_path: Path) -> None:
    install(tmp_path, "pass")
    assert [(tool.name, tool.path) for tool in find_tools()] == [("nvml", sys.executable)]
    sample = await sampler.look()
    assert (sample.tool, sample.reason) == ("nvml", "")
    first, second = sample.accelerators
    assert (first.index, second.index) == (0, 2)
    assert (first.name, second.name) == ("NVIDIA H100, 80GB", "NVIDIA H100, 80GB")
    assert (first.utilization, first.memory_used_bytes, first.memory_total_bytes) == (
        0.37,
        2**30,
        80 * 2**30,
    )
    assert (first.temperature_celsius, first.power_watts, first.power_limit_watts) == (41, 121.53, None)
    assert second.power_watts is None


async def test_a_driver_that_is_not_loaded_is_a_failure_of_the_tool(sampler: Sampler, tmp_path: Path) -> None:
    install(tmp_path, "raise NVMLError('Driver Not Loaded')")
    sample = await sampler.look()
    assert (sample.tool, sample.accelerators) == ("", ())
    assert sample.reason == "failed"


def test_without_a_driver_nobody_is_asked(
    sampler: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "pass")
    assert not nvidia_is_loaded(tmp_path)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidiactl").touch()
    assert nvidia_is_loaded(tmp_path)
    monkeypatch.setattr(tools, "nvidia_is_loaded", lambda: False)
    assert find_tools() == []


def test_a_row_has_what_nvidia_smi_is_asked_for() -> None:
    card: Any = SimpleNamespace(
        NVMLError=RuntimeError, nvmlDeviceGetCount=lambda: 1, nvmlDeviceGetHandleByIndex=lambda index: index
    )
    assert list(rows_of(card)) == [["0", *["[N/A]"] * (len(QUERY) - 1)]]
