"""A run is held against the machine before it begins, and what was estimated of it is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.jobs import Job
from services.trainer.estimate_store import EstimateStore
from services.trainer.estimating.accelerators import find_accelerator
from services.trainer.estimating.estimates import Estimate, Hardware
from services.trainer.machine import free_of_machine, hardware_here
from services.trainer.preflight import Preflight
from services.trainer.training_config import TrainingConfig
from services.trainer.training_runs import TrainingRun, TrainingSummary
from tests.bench.estimate_cases import LLAMA

PYTHON = Path("/nowhere/python")


class Kept(EstimateStore):
    """Keeps in a list; knows one model."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.config = config
        self.saved: list[tuple[str, Estimate, bool]] = []

    async def config_of(self, model_id: str) -> dict[str, Any] | None:
        return self.config

    async def save(self, run_id: str, found: Estimate, *, forced: bool) -> None:
        self.saved.append((run_id, found, forced))


def run_of(config: TrainingConfig) -> TrainingRun:
    now = datetime.now(UTC)
    job: Any = Job.__new__(Job)
    ids = ("run", "project", "towns", "version", "sha", "base", "sha")
    return TrainingRun(*ids, config, "model", "code", TrainingSummary(), now, now, job)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a config.json and rows."""
    (tmp_path / "config.json").write_text(json.dumps(LLAMA), encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text(("x" * 500 + "\n") * 100, encoding="utf-8")
    return tmp_path


async def asked(store: Kept, place: Path, hardware: Hardware, **config: Any) -> str:
    async def look(_device: str, _python: Path, work: Path) -> Hardware:
        assert work == place
        return hardware

    preflight = Preflight(store, look=look)
    run = run_of(TrainingConfig(**config))
    return await preflight.check_here(run, place, place / "rows.jsonl", "auto", PYTHON)


async def test_what_fits_begins_and_the_estimate_is_kept(place: Path) -> None:
    store = Kept()
    assert await asked(store, place, Hardware(find_accelerator("CPU"), 8e9, 1e12)) == ""
    ((run_id, found, forced),) = store.saved
    assert (run_id, forced) == ("run", False)
    assert found.work.row_tokens == 250
    assert found.steps > 0


async def test_what_does_not_fit_is_refused_unless_it_is_forced(place: Path) -> None:
    store, small = Kept(), Hardware(find_accelerator("CPU"), 0.5e9, 1e12)
    with pytest.raises(FailedPrecondition, match="ignore_estimate") as refused:
        await asked(store, place, small)
    assert refused.value.reason == "MEMORY_SHORT"
    warning = await asked(store, place, small, ignore_estimate=True)
    assert warning == refused.value.message
    assert [forced for _, _, forced in store.saved] == [False, True]


async def test_a_disk_without_room_is_told_before_the_first_step(place: Path) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        await asked(Kept(), place, Hardware(find_accelerator("CPU"), 8e9, 1e6), method="full")
    assert refused.value.reason == "DISK_SHORT"


async def test_a_model_of_unknown_shape_begins_unestimated(place: Path) -> None:
    (place / "config.json").write_text("{}", encoding="utf-8")
    store = Kept()
    assert await asked(store, place, Hardware(find_accelerator("CPU"), 1.0, 1.0)) == ""
    assert store.saved == []


async def test_a_new_run_is_refused_where_the_devices_are_known() -> None:
    large = TrainingConfig(batch_tokens=5_000_000, cutoff_length=100_000, precision="fp32")
    with pytest.raises(FailedPrecondition, match="this machine"):
        await Preflight(Kept(LLAMA), "CPU").check_new("base", large)
    # Nobody knows the device, or the model.
    await Preflight(Kept(LLAMA)).check_new("base", large)
    await Preflight(Kept(), "CPU").check_new("base", large)
    await Preflight(Kept(LLAMA), "CPU").check_new("base", TrainingConfig())
    with pytest.raises(InvalidArgument, match="no device named"):
        Preflight(Kept(), "GPU-9000")


async def test_this_machine_is_seen_without_torch(tmp_path: Path) -> None:
    found = await hardware_here("cpu", PYTHON, tmp_path)
    assert found.accelerator.is_cpu
    assert found.free == pytest.approx(free_of_machine(), rel=0.5)
    assert found.disk_free_bytes > 0


async def test_torchs_devices_are_found_in_the_table_with_what_is_free_on_the_fullest(tmp_path: Path) -> None:
    python = tmp_path / "python"
    seen = [
        {"name": name, "free_bytes": free, "total_bytes": 68_702_699_520, "bf16": True}
        for name, free in (("K100_AI", 6e10), ("K100_AI", 5e10))
    ]
    python.write_text(f"#!/bin/sh\necho warning\necho '{json.dumps(seen)}'\n", encoding="utf-8")
    python.chmod(0o755)
    found = await hardware_here("cuda", python, tmp_path)
    assert found.accelerator == find_accelerator("K100-AI")
    assert (found.free, found.bf16) == (5e10, True)
    python.write_text("#!/bin/sh\necho '[{\"name\": '\n", encoding="utf-8")
    assert (await hardware_here("cuda", python, tmp_path)).accelerator.is_cpu
