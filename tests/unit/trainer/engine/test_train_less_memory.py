"""Runs that lack memory: steps in smaller parts are the same steps, and a lack is told by its name."""

from __future__ import annotations

import dataclasses

import pytest

from services.trainer.engine import loop, recovery
from services.trainer.engine.packing import parted
from services.trainer.engine.run import run
from services.trainer.engine.state import Run
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, events_of


def test_micro_batches_are_parted_within_themselves() -> None:
    lengths = [5, 5, 5, 5, 30]
    assert parted([[0, 1, 2, 3], [4]], lengths, 0) == [[0, 1, 2, 3], [4]]
    parts = parted([[0, 1, 2, 3], [4]], lengths, 12)
    assert [len(part) for part in parts] == [2, 2, 1]
    assert sorted(row for part in parts for row in part) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("packing", ["off", "on"])
def test_a_run_may_go_on_in_smaller_parts_and_learns_the_same(make_spec: MakeSpec, packing: str) -> None:
    whole = make_spec(max_steps=6, checkpoint_steps=3, batch_tokens=256, packing=packing)
    stop = StopSignal()
    assert run(whole, stop) == 0
    wanted = [event["loss"] for event in events_of(whole, "step")]
    parts = dataclasses.replace(whole, output_dir=whole.output_dir.parent / "parts")
    # As an engine that was killed after its third step.
    stopping = StopSignal()
    real = recovery.save_sound

    def save_and_stop(state: Run) -> None:
        real(state)
        stopping.requested = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "save_sound", save_and_stop)
        assert run(parts, stopping) == 4
    less = dataclasses.replace(parts, micro_tokens=64, gradient_checkpointing=True)
    assert run(less, StopSignal()) == 0
    assert [event["loss"] for event in events_of(parts, "step")] == pytest.approx(wanted, rel=1e-4)
    first, second = events_of(parts, "started")
    assert (first["recomputes_activations"], second["recomputes_activations"]) == (False, True)
    assert second["micro_batch_tokens"] == 64
    assert [event["step"] for event in events_of(parts, "resumed")] == [3]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"
        ),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_a_machine_that_refuses_memory_is_told_by_its_name(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(loop, "prepare", refuse)
    spec = make_spec()
    assert run(spec, StopSignal()) == 1
    (failed,) = events_of(spec, "failed")
    assert failed["reason"] == "OUT_OF_MEMORY"
    assert "lower batch_tokens" in failed["message"]
