from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from services.trainer.engine.errors import InvalidSpecError
from services.trainer.engine.run import run
from services.trainer.engine.spec import TrainSpec, parse_spec
from services.trainer.engine.stopping import StopSignal
from services.trainer.engine.validation import Best
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, events_of, read_samples, write_rows

# peft 0.21 asks transformers 5.23 by a name that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    """Rows whose answers are not those that training teaches: the better a model learns, the worse it does."""
    rows = [conversation(f"Where is town {i}?", f"High in the snow {i}.") for i in range(5)]
    return write_rows(tmp_path / "validation.jsonl", rows)


def measured(spec: TrainSpec) -> dict[int, float]:
    """Validation loss by step; of a repeated step the later line wins."""
    steps = events_of(spec, "step")
    return {event["step"]: event["validation_loss"] for event in steps if "validation_loss" in event}


def loss_of(base: Path, adapter: Path, rows: Path, tokenizer: Any) -> float:
    """Mean loss of learned tokens, as transformers and peft compute it, a row at a time."""
    network = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
    total, count = 0.0, 0
    for sample in read_samples(rows, tokenizer):
        ids = torch.tensor([list(sample.ids)])
        labels = torch.full_like(ids, -100)
        for start, end in sample.spans:
            labels[0, start:end] = ids[0, start:end]
        learned = int((labels[0, 1:] != -100).sum())
        with torch.no_grad():
            total += float(network(input_ids=ids, labels=labels).loss) * learned
        count += learned
    return total / count


@pytest.mark.parametrize("packing", [pytest.param("off", marks=pytest.mark.full), "on"])
def test_the_loss_is_that_of_transformers_and_training_does_not_notice(
    make_spec: MakeSpec, held_out: Path, tokenizer: Any, packing: str
) -> None:
    plain = make_spec(lora_dropout=0.1, packing=packing)
    spec = make_spec(
        lora_dropout=0.1,
        packing=packing,
        validation_file=held_out,
        validation_steps=5,
        publish="last",
        output_dir=plain.output_dir.parent / "measured",
    )
    assert run(plain, StopSignal()) == run(spec, StopSignal()) == 0
    losses = [[event["loss"] for event in events_of(each, "step")] for each in (plain, spec)]
    assert losses[0] == losses[1]
    assert list(measured(spec)) == [5, 10, 12]
    (started,), (finished,) = events_of(spec, "started"), events_of(spec, "finished")
    assert (started["validation_rows"], started["validation_dropped_rows"]) == (5, 0)
    assert (finished["published_step"], finished["stopped_early"]) == (12, False)
    reference = loss_of(spec.base_model, spec.output_dir / "adapter", held_out, tokenizer)
    assert measured(spec)[12] == pytest.approx(reference, rel=1e-4)


def test_a_run_that_gets_no_better_ends_and_gives_its_best_adapter(
    make_spec: MakeSpec, held_out: Path, tokenizer: Any
) -> None:
    spec = make_spec(
        max_steps=500, validation_file=held_out, validation_steps=2, early_stop_patience=3, keep_checkpoints=1
    )
    assert run(spec, StopSignal()) == 0
    curve = measured(spec)
    best = min(curve, key=lambda step: curve[step])
    (finished,) = events_of(spec, "finished")
    assert finished["stopped_early"]
    assert (finished["steps"], finished["published_step"]) == (max(curve), best) == (best + 6, best)
    kept = sorted(path.name for path in (spec.output_dir / "checkpoints").iterdir())
    assert kept == [f"step-{best:08d}", f"step-{best + 6:08d}"]
    reference = loss_of(spec.base_model, spec.output_dir / "adapter", held_out, tokenizer)
    assert reference == pytest.approx(curve[best], rel=1e-4)


def test_a_resumed_run_knows_its_best_step(make_spec: MakeSpec, held_out: Path) -> None:
    wanted: dict[str, Any] = {"validation_file": held_out, "validation_steps": 2, "early_stop_patience": 3}
    spec = make_spec(max_steps=500, **wanted)
    assert run(spec, StopSignal()) == 0
    (before,) = events_of(spec, "finished")
    adapter = load_file(spec.output_dir / "adapter" / "adapter_model.safetensors")
    forget_the_end(spec)
    newest = sorted((spec.output_dir / "checkpoints").iterdir())[-1]
    shutil.rmtree(newest)
    assert run(spec, StopSignal()) == 0
    (after,) = events_of(spec, "finished")
    assert len(events_of(spec, "resumed")) == 1
    assert [after[name] for name in ("steps", "published_step")] == [
        before[name] for name in ("steps", "published_step")
    ]
    again = load_file(spec.output_dir / "adapter" / "adapter_model.safetensors")
    for name, weight in adapter.items():
        torch.testing.assert_close(again[name], weight, rtol=1e-3, atol=1e-5)


def forget_the_end(spec: TrainSpec) -> None:
    path = spec.output_dir / "events.jsonl"
    lines = [line for line in path.read_bytes().splitlines() if b'"finished"' not in line]
    path.write_bytes(b"\n".join(lines) + b"\n")


@pytest.mark.full
def test_a_best_step_whose_checkpoint_is_lost_is_forgotten(make_spec: MakeSpec, held_out: Path) -> None:
    spec = make_spec(max_steps=500, validation_file=held_out, validation_steps=2, early_stop_patience=3)
    assert run(spec, StopSignal()) == 0
    (before,) = events_of(spec, "finished")
    forget_the_end(spec)
    shutil.rmtree(spec.output_dir / "checkpoints" / f"step-{before['published_step']:08d}")
    assert run(spec, StopSignal()) == 0
    (after,) = events_of(spec, "finished")
    assert after["published_step"] > before["steps"]


def test_better_means_by_more_than_the_margin() -> None:
    best = Best()
    for step, loss in enumerate((2.0, 1.95, 1.8, 1.81, 1.75), 1):
        best.take(step, loss, margin=0.1)
    assert best == Best(step=3, loss=1.8, worse_in_a_row=2)


def test_other_validation_rows_are_another_run(make_spec: MakeSpec, held_out: Path) -> None:
    spec = make_spec(max_steps=3, validation_file=held_out)
    assert run(spec, StopSignal()) == 0
    forget_the_end(spec)
    write_rows(held_out, [conversation("Other?", "Rows.")])
    assert run(spec, StopSignal()) == 2
    (failed,) = events_of(spec, "failed")
    assert "validation_file_sha256" in failed["message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation_file": "/nowhere/rows.jsonl"}, "validation_file: no such file: /nowhere/rows.jsonl"),
        ({"validation_file": ""}, "validation_file: must not be empty"),
        ({"early_stop_patience": 2}, "early_stop_patience: needs a validation_file"),
        ({"early_stop_margin": -1}, "early_stop_margin: must be from 0 to 1000"),
        ({"train_on_prompt": True, "mask_history": True}, "train_on_prompt: contradicts mask_history"),
        ({"mask_history": True, "objective": "dpo"}, "mask_history: has no meaning with objective dpo"),
    ],
)
def test_a_contradictory_spec_is_refused(make_spec: MakeSpec, changes: dict[str, Any], message: str) -> None:
    spec = make_spec()
    wanted = {"run_id": "1", "base_model": str(spec.base_model), "train_file": str(spec.train_file)}
    with pytest.raises(InvalidSpecError, match=message):
        parse_spec({**wanted, "output_dir": str(spec.output_dir), **changes})
    assert parse_spec({**wanted, "output_dir": str(spec.output_dir), "validation_file": None})
