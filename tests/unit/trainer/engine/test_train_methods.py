from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from services.trainer.engine import model, whole
from services.trainer.engine.errors import BaseModelError, InvalidSpecError
from services.trainer.engine.run import run
from services.trainer.engine.spec import TrainSpec, parse_spec
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, events_of, read_samples, write_rows

CPU = torch.device("cpu")
RATE = 2e-3


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return {name: each for path in folder.glob("*.safetensors") for name, each in load_file(path).items()}


def loss_of(folder: Path, rows: Path, tokenizer: Any) -> float:
    """Mean loss of the learned tokens of a file, as transformers computes it of a model folder."""
    network = AutoModelForCausalLM.from_pretrained(folder)
    total, count = 0.0, 0
    for sample in read_samples(rows, tokenizer):
        ids = torch.tensor([list(sample.ids)])
        labels = torch.full_like(ids, -100)
        for start, end in sample.spans:
            labels[0, start:end] = ids[0, start:end]
        learned = int((labels[0, 1:] != -100).sum())
        with torch.no_grad():
            total += float(network(input_ids=ids, labels=labels, use_cache=False).loss) * learned
        count += learned
    return total / count


def forget_the_end(spec: TrainSpec) -> None:
    path = spec.output_dir / "events.jsonl"
    lines = [line for line in path.read_bytes().splitlines() if b'"finished"' not in line]
    path.write_bytes(b"\n".join(lines) + b"\n")


def test_full_tuning_gives_a_whole_model_in_shards_that_is_loaded_like_any_other(
    make_spec: MakeSpec, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "SHARD_BYTES", 200_000)
    spec = make_spec(method="full", learning_rate=RATE, max_steps=30, base_model_name="org/tiny")
    assert run(spec, StopSignal()) == 0
    (started,), (finished,) = events_of(spec, "started"), events_of(spec, "finished")
    assert started["trainable_parameter_count"] == started["parameter_count"]
    folder = spec.output_dir / "model"
    assert finished["adapter_dir"] == str(folder)
    shards = list(folder.glob("*.safetensors"))
    assert len(shards) > 1
    assert all(path.stat().st_size < 210_000 for path in shards)
    assert weights_of(folder).keys() == weights_of(spec.base_model).keys()
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.iterdir())
    written = "".join(path.read_text() for path in folder.glob("*.json"))
    assert str(spec.output_dir.parent) not in written
    assert str(spec.base_model) not in written
    assert AutoTokenizer.from_pretrained(folder).chat_template == tokenizer.chat_template
    assert json.loads((folder / "run.json").read_text())["method"] == "full"
    before, after = (loss_of(each, spec.train_file, tokenizer) for each in (spec.base_model, folder))
    assert after < 0.6 * before


def test_a_resumed_full_run_gives_the_weights_of_its_best_step(
    make_spec: MakeSpec, tokenizer: Any, tmp_path: Path
) -> None:
    held_out = write_rows(tmp_path / "held.jsonl", [conversation("Where is town 3?", "High in the snow.")])
    spec = make_spec(
        method="full",
        learning_rate=RATE,
        precision="bf16",
        max_steps=20,
        validation_file=held_out,
        validation_steps=2,
        keep_checkpoints=2,
    )
    assert run(spec, StopSignal()) == 0
    (finished,) = events_of(spec, "finished")
    best = finished["published_step"]
    assert best < 20
    curve = {event["step"]: event.get("validation_loss") for event in events_of(spec, "step")}
    assert loss_of(spec.output_dir / "model", held_out, tokenizer) == pytest.approx(curve[best], rel=0.02)
    kept = weights_of(spec.output_dir / "model")
    assert {each.dtype for each in kept.values()} == {torch.bfloat16}
    forget_the_end(spec)
    shutil.rmtree(sorted((spec.output_dir / "checkpoints").iterdir())[-1])
    assert run(spec, StopSignal()) == 0
    assert events_of(spec, "resumed")
    assert events_of(spec, "finished")[0]["published_step"] == best
    for name, weight in weights_of(spec.output_dir / "model").items():
        torch.testing.assert_close(weight, kept[name], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "learned"),
    [
        ({"freeze_layers": 1}, {"model.layers.1."}),
        ({"freeze_layers": -1}, {"model.layers.0."}),
        ({"freeze_layers": 2, "freeze_modules": ("mlp",)}, {"model.layers.0.mlp.", "model.layers.1.mlp."}),
        (
            {"freeze_layers": 0, "freeze_extra_modules": ("layers.1.self_attn.q_proj", "lm_head")},
            {"model.layers.1.self_attn.q_proj.", "lm_head."},
        ),
    ],
)
def test_freeze_learns_what_was_named_and_nothing_else(
    make_spec: MakeSpec, settings: dict[str, Any], learned: set[str]
) -> None:
    trainable = model.load_model(make_spec(method="freeze", **settings), CPU, "fp32")
    for name, weight in trainable.causal.named_parameters():
        assert weight.requires_grad == any(name.startswith(each) for each in learned), name


def test_a_frozen_run_changes_what_learns_alone(make_spec: MakeSpec) -> None:
    spec = make_spec(method="freeze", freeze_layers=1, learning_rate=RATE, max_steps=5)
    assert run(spec, StopSignal()) == 0
    base, tuned = weights_of(spec.base_model), weights_of(spec.output_dir / "model")
    changed = {name for name, weight in base.items() if not torch.equal(weight, tuned[name])}
    assert changed == {name for name in base if name.startswith("model.layers.1.")}


def test_a_learned_head_in_chunks_has_the_same_loss_and_gradients(
    make_spec: MakeSpec, tokenizer: Any
) -> None:
    found = []
    for positions in (3, 10_000):
        spec = make_spec(method="full", logits_positions=positions)
        trainable = model.load_model(spec, CPU, "fp32")
        samples = read_samples(spec.train_file, tokenizer)[:4]
        loss = trainable.summed_loss(trainable.collate(samples, 0))
        loss.backward()  # type: ignore[no-untyped-call]
        found.append((loss.detach(), [each.grad for each in trainable.learned]))
    torch.testing.assert_close(found[0][0], found[1][0])
    for mine, other in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)


def test_preferences_are_learned_by_all_weights_too(make_spec: MakeSpec, tmp_path: Path) -> None:
    rows = tmp_path / "pairs.jsonl"
    pair = {
        "prompt": [{"role": "user", "content": "Where?"}],
        "chosen": [{"role": "assistant", "content": "By the river."}],
        "rejected": [{"role": "assistant", "content": "In the snow."}],
    }
    rows.write_text(json.dumps(pair) + "\n")
    spec = make_spec(method="full", objective="dpo", train_file=rows, max_steps=6, learning_rate=1e-3)
    assert run(spec, StopSignal()) == 0
    first, *_, last = events_of(spec, "step")
    assert first["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert last["reward_margin"] > 0.05


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze_layers": 3}, "freeze_layers: the model has 2 layers, not 3"),
        ({"freeze_modules": ("experts",)}, "freeze_modules: no module named 'experts'"),
        ({"freeze_extra_modules": ("head",)}, "freeze_extra_modules: no module named 'head'"),
    ],
)
def test_what_the_model_lacks_is_told(make_spec: MakeSpec, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BaseModelError, match=message):
        model.load_model(make_spec(method="freeze", **settings), CPU, "fp32")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "full", "use_dora": True}, "use_dora: has no meaning with method full"),
        ({"method": "freeze", "lora_dropout": 0.1}, "lora_dropout: has no meaning with method freeze"),
        ({"method": "full", "lora_targets": ["q_proj"]}, "lora_targets: has no meaning with method full"),
        ({"freeze_modules": ["mlp"]}, "freeze_modules: has no meaning with method lora"),
        ({"method": "freeze", "freeze_layers": 0}, "freeze_layers: 0 leaves nothing to learn"),
        (
            {"method": "freeze", "freeze_layers": 0, "freeze_modules": ["mlp"]},
            "freeze_modules: names modules within layers, and freeze_layers is 0",
        ),
        ({"freeze_modules": "mlp"}, "freeze_modules: must be a list of names"),
    ],
)
def test_what_makes_no_sense_together_is_refused(
    make_spec: MakeSpec, settings: dict[str, Any], message: str
) -> None:
    spec = make_spec()
    paths = {name: str(getattr(spec, name)) for name in ("base_model", "train_file", "output_dir")}
    with pytest.raises(InvalidSpecError, match=message):
        parse_spec({"run_id": "1", **paths, **settings})
