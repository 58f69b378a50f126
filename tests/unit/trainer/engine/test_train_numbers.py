"""Number formats, optimizers, schedules and noise: how weights are stored and moved."""

from __future__ import annotations

import builtins
import math
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM, optimization
from transformers.optimization import get_wsd_schedule

from services.trainer.engine import model
from services.trainer.engine.errors import DeviceError, InvalidSpecError, OptimizerError
from services.trainer.engine.loss_scale import FIRST, GROWS_AFTER, SMALLEST, LossScale, ScaleSpentError
from services.trainer.engine.optimizer import AdapterOptimizer
from services.trainer.engine.run import run
from services.trainer.engine.schedules import Schedule
from services.trainer.engine.spec import MEASURED_SCHEDULES, SCHEDULES, parse_spec
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, events_of, read_samples, write_rows

# peft 0.21 asks transformers 5.23 by a name that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

CPU = torch.device("cpu")
OPTIMIZERS = ("adamw", "adamw_8bit", "adafactor", "sgd", "rmsprop", "adagrad")


def needs_bitsandbytes() -> None:
    pytest.importorskip("bitsandbytes", exc_type=ImportError)


def lose_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("bitsandbytes"):
            raise ImportError("No module named 'bitsandbytes'")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)


# fp16


def test_fp16_is_refused_on_a_cpu(make_spec: MakeSpec) -> None:
    with pytest.raises(DeviceError, match="precision: fp16 needs a CUDA or DCU device"):
        model.choose_device(make_spec(precision="fp16"))


def test_the_loss_scale_shrinks_grows_and_gives_up() -> None:
    scale = LossScale(is_on=True)
    assert not scale.shrinks(is_finite=True)
    assert scale.shrinks(is_finite=False)
    assert scale.factor == FIRST / 2
    for _ in range(GROWS_AFTER):
        scale.stepped()
    assert scale.factor == FIRST
    again = LossScale(is_on=True)
    again.load(scale.state())
    assert again.factor == FIRST
    with pytest.raises(ScaleSpentError):
        while scale.factor >= SMALLEST:
            scale.shrinks(is_finite=False)
    off = LossScale(is_on=False)
    off.stepped()
    assert (off.factor, off.state()) == (1.0, {})


def test_fp16_learns_as_fp32_does_and_redoes_a_step_that_overflows(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = {}
    for precision in ("fp32", "fp16"):
        # A CPU computes in fp16 too, only slowly. The scale overflows at first.
        monkeypatch.setattr(model, "choose_device", lambda _, kind=precision: (CPU, kind))
        monkeypatch.setattr("services.trainer.engine.loss_scale.FIRST", 2.0**20)
        spec = make_spec(
            max_steps=3, output_dir=make_spec().output_dir.parent / precision, learning_rate=2e-3
        )
        assert run(spec, StopSignal()) == 0
        curves[precision] = [event["loss"] for event in events_of(spec, "step")]
    assert curves["fp16"] == pytest.approx(curves["fp32"], rel=0.01)
    (newest,) = (spec.output_dir / "checkpoints").iterdir()
    scale, good_steps = load_file(newest / "state.safetensors")["loss_scale"].tolist()
    assert scale < 2.0**20
    assert good_steps == 3


def test_a_loss_that_is_no_number_is_not_blamed_on_the_scale(make_spec: MakeSpec) -> None:
    weight = nn.Parameter(torch.ones(4, dtype=torch.float16))
    optimizer = AdapterOptimizer([weight], make_spec())
    assert weight.grad is not None
    weight.grad.fill_(float("inf"))
    optimizer.collect()
    assert not optimizer.overflowed(torch.tensor(float("nan")))
    assert optimizer.overflowed(torch.tensor(1.0))
    assert optimizer.scale.factor == FIRST / 2


# Optimizers


def reference(name: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The same optimizer on plain parameters."""
    rate, decay = 1e-2, 0.1
    if name == "adafactor":
        kind: Any = transformers.optimization.Adafactor
        made: torch.optim.Optimizer = kind(
            parameters, lr=rate, weight_decay=decay, scale_parameter=False, relative_step=False
        )
        return made
    kinds: dict[str, Any] = {
        "adamw": torch.optim.AdamW,
        "adamw_8bit": torch.optim.AdamW,  # what it stands for
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
    }
    found: torch.optim.Optimizer = kinds[name](parameters, lr=rate, weight_decay=decay)
    return found


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_steps_as_its_original_also_over_a_checkpoint(make_spec: MakeSpec, name: str) -> None:
    if name == "adamw_8bit":
        needs_bitsandbytes()
    torch.manual_seed(0)
    start = [torch.randn(96, 64), torch.randn(32, 8)]
    ours, theirs = ([nn.Parameter(each.clone()) for each in start] for _ in range(2))
    spec = make_spec(optimizer=name, weight_decay=0.1, max_grad_norm=0.0)
    optimizer, other = AdapterOptimizer(ours, spec), reference(name, theirs)
    for step in range(6):
        for group in (ours, theirs):
            sum((each * (step + 1)).sin().sum() for each in group).backward()  # type: ignore[union-attr]
        optimizer.collect()
        optimizer.update(float(optimizer.norm()), 1e-2)
        other.step()
        other.zero_grad()
        if step == 2:
            state = optimizer.state()
            optimizer = AdapterOptimizer(ours, spec)
            optimizer.load(state)
    relative, absolute = (0.0, 0.02) if name == "adamw_8bit" else (1e-4, 1e-5)
    for mine, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=relative, atol=absolute)


def test_norms_and_biases_of_a_base_do_not_decay(make_spec: MakeSpec) -> None:
    spec = make_spec(method="full", optimizer="sgd", weight_decay=0.5)
    matrix, norm = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    optimizer = AdapterOptimizer([norm, matrix], spec)
    optimizer.update(0.0, 0.1)
    assert torch.equal(norm, torch.ones(2))
    torch.testing.assert_close(matrix.detach(), torch.full((2, 2), 0.95))


def test_a_missing_bitsandbytes_is_told(make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_bitsandbytes(monkeypatch)
    with pytest.raises(OptimizerError, match="optimizer: adamw_8bit needs bitsandbytes"):
        AdapterOptimizer([nn.Parameter(torch.ones(4))], make_spec(optimizer="adamw_8bit"))
    with pytest.raises(DeviceError, match="quantization_bits: 4 needs bitsandbytes"):
        model.load_model(make_spec(quantization_bits=4), CPU, "fp32")


@pytest.mark.parametrize("name", ["adafactor", "sgd"])
def test_a_run_learns_with_other_optimizers(make_spec: MakeSpec, name: str) -> None:
    spec = make_spec(method="full", optimizer=name, learning_rate=5e-3 if name == "adafactor" else 0.5)
    assert run(spec, StopSignal()) == 0
    first, *_, last = [event["loss"] for event in events_of(spec, "step")]
    assert last < 0.95 * first


# Schedules

THEIRS: dict[str, dict[str, Any]] = {
    "cosine": {},
    "linear": {},
    "constant_with_warmup": {},
    "cosine_with_restarts": {"num_cycles": 3},
    "cosine_with_min_lr": {"min_lr_rate": 0.2},
    "cosine_warmup_with_min_lr": {"min_lr_rate": 0.2},
    "polynomial": {"power": 2.0, "lr_end": 0.2e-3},
    "inverse_sqrt": {},
    "warmup_stable_decay": {"num_decay_steps": 27, "min_lr_ratio": 0.2},
}
OURS: dict[str, dict[str, Any]] = {
    "cosine_with_restarts": {"schedule_cycles": 3},
    "cosine_with_min_lr": {"min_rate_ratio": 0.2},
    "cosine_warmup_with_min_lr": {"min_rate_ratio": 0.2},
    "polynomial": {"schedule_power": 2.0, "min_rate_ratio": 0.2},
    "warmup_stable_decay": {"min_rate_ratio": 0.2, "decay_ratio": 0.3},
}


def test_every_schedule_of_transformers_is_known() -> None:
    names = {str(each.value) for each in transformers.SchedulerType}
    assert names <= set(SCHEDULES)
    assert set(THEIRS) | {"constant", *MEASURED_SCHEDULES} == set(SCHEDULES)


@pytest.mark.parametrize("name", THEIRS)
def test_each_has_the_shape_that_it_has_in_transformers(make_spec: MakeSpec, name: str) -> None:
    if name not in {str(each.value) for each in transformers.SchedulerType}:
        pytest.skip("this transformers does not have it")
    spec = make_spec(schedule=name, learning_rate=1e-3, warmup_ratio=0.1, **OURS.get(name, {}))
    schedule = Schedule(spec, 100)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-3)
    special = THEIRS[name]
    if name == "warmup_stable_decay" and "num_training_steps" not in signature(get_wsd_schedule).parameters:
        # Older releases do not count for themselves: 100 steps less those of the climb and of the fall.
        special = {**special, "num_stable_steps": 63}
    theirs = transformers.get_scheduler(
        name, optimizer, num_warmup_steps=10, num_training_steps=100, scheduler_specific_kwargs=special
    )
    for step in range(1, 101):
        wanted = theirs.get_last_lr()[0]
        if step > 10:
            assert schedule.rate(step) == pytest.approx(wanted, rel=1e-6, abs=1e-9), step
        optimizer.step()
        theirs.step()
    climb = [schedule.rate(step) for step in range(1, 11)]
    assert climb == pytest.approx([1e-3 * step / 10 for step in range(1, 11)])


@pytest.mark.parametrize("name", MEASURED_SCHEDULES)
def test_a_schedule_that_follows_the_loss_falls_and_goes_on_after_a_resume(
    make_spec: MakeSpec, name: str
) -> None:
    spec = make_spec(schedule=name, learning_rate=1e-3, warmup_ratio=0.0, plateau_patience=1)
    if name == "greedy" and not hasattr(optimization, "GreedyLR"):
        pytest.skip("this transformers does not have GreedyLR")
    schedule = Schedule(spec, 100)
    assert schedule.rate(1) == pytest.approx(1e-3)
    schedule.measured(2.0)
    schedule.measured(2.1)
    again = Schedule(spec, 100)
    again.load(schedule.state())
    for each in (schedule, again):
        each.measured(2.2)
        fallen = 1e-4 if name == "reduce_lr_on_plateau" else 0.95e-3
        assert each.rate(50) == pytest.approx(fallen)


def test_a_run_follows_its_validation_loss(make_spec: MakeSpec, tmp_path: Path) -> None:
    held_out = write_rows(tmp_path / "held.jsonl", [conversation("Where is it?", "High in the snow.")])
    spec = make_spec(
        schedule="reduce_lr_on_plateau",
        plateau_patience=0,
        warmup_ratio=0.0,
        validation_file=held_out,
        validation_steps=1,
        max_steps=10,
        learning_rate=5e-2,
    )
    assert run(spec, StopSignal()) == 0
    steps = events_of(spec, "step")
    rates = [event["learning_rate"] for event in steps]
    worse = next(i for i, event in enumerate(steps) if event["validation_best_step"] < event["step"])
    assert rates[: worse + 1] == [5e-2] * (worse + 1)
    assert rates[worse + 1] == pytest.approx(5e-3)


# Noise


def keep_output(seen: list[torch.Tensor], _module: Any, _inputs: Any, output: torch.Tensor) -> None:
    seen.append(output.detach())


def test_noise_is_as_large_as_the_paper_says_for_each_row_and_only_in_training(
    make_spec: MakeSpec, tokenizer: Any
) -> None:
    rows = read_samples(make_spec().train_file, tokenizer)[:3]
    for packing in ("on", "off"):
        trainable = model.load_model(make_spec(neftune_alpha=7.0, packing=packing), CPU, "fp32")
        embeddings = trainable.causal.get_input_embeddings()
        seen: list[torch.Tensor] = []
        embeddings.register_forward_hook(partial(keep_output, seen))
        batch = trainable.collate(rows, 0)
        trainable.token_losses(batch)
        clean = embeddings.weight[batch.ids].detach()
        noise = (seen[-1] - clean).abs()
        offset = 0
        for row, sample in enumerate(rows):
            length = len(sample.ids)
            part = noise[0, offset : offset + length] if packing == "on" else noise[row, :length]
            most = 7.0 / math.sqrt(length * clean.shape[-1])
            assert 0.95 * most < float(part.max()) <= most * 1.0001
            assert float(part.mean()) == pytest.approx(most / 2, rel=0.1)
            offset += length
        trainable.adapted.eval()
        trainable.token_losses(batch)
        assert torch.equal(seen[-1], clean)


# A base in few bits


@pytest.mark.parametrize("bits", [4, 8])
def test_adapters_learn_on_a_quantized_base(make_spec: MakeSpec, bits: int) -> None:
    needs_bitsandbytes()
    spec = make_spec(quantization_bits=bits, max_steps=8)
    assert run(spec, StopSignal()) == 0
    (started,) = events_of(spec, "started")
    plain = AutoModelForCausalLM.from_pretrained(spec.base_model)
    assert started["parameter_count"] - started["trainable_parameter_count"] == plain.num_parameters()
    first, *_, last = [event["loss"] for event in events_of(spec, "step")]
    assert last < 0.8 * first


def test_a_base_in_4_bits_computes_with_its_rounded_weights(make_spec: MakeSpec) -> None:
    needs_bitsandbytes()
    from bitsandbytes.functional import dequantize_4bit

    trainable = model.load_model(make_spec(quantization_bits=4), CPU, "fp32")
    plain = AutoModelForCausalLM.from_pretrained(make_spec().base_model)
    for name, module in trainable.causal.named_modules():
        if name.endswith(".base_layer"):
            weight = dequantize_4bit(module.weight.data, module.weight.quant_state)
            target: Any = plain.get_submodule(name.removesuffix(".base_layer"))
            assert 0.02 < (target.weight - weight).norm() / target.weight.norm() < 0.2
            target.weight.data = weight.float()
    ids = torch.arange(40)[None]
    with torch.no_grad():
        ours = trainable.causal(input_ids=ids, use_cache=False).logits
        theirs = plain(input_ids=ids, use_cache=False).logits
    assert float((ours - theirs).norm() / theirs.norm()) < 0.02


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "full", "quantization_bits": 4}, "quantization_bits: has no meaning with method full"),
        ({"quantization_bits": 5}, "quantization_bits: must be one of 0, 4, 8, not 5"),
        ({"quantization_bits": 4, "lora_init": "pissa"}, "quantization_bits: does not go with lora_init"),
        ({"use_dora": True, "lora_init": "pissa"}, "use_dora: does not go with lora_init pissa"),
        ({"schedule": "cosine_with_min_lr"}, "min_rate_ratio: cosine_with_min_lr needs one above 0"),
        ({"min_rate_ratio": 0.1}, "min_rate_ratio: has no meaning with schedule cosine"),
        ({"schedule_cycles": 2}, "schedule_cycles: has no meaning with schedule cosine"),
        ({"schedule": "greedy"}, "schedule: greedy follows the validation loss, and there are no"),
        ({"schedule": "steps"}, "schedule: must be one of cosine, linear"),
        ({"optimizer": "lion"}, "optimizer: must be one of adamw, adamw_8bit"),
        ({"neftune_alpha": -1}, "neftune_alpha: must be from 0 to 1000"),
    ],
)
def test_what_cannot_be_is_refused(make_spec: MakeSpec, settings: dict[str, Any], message: str) -> None:
    spec = make_spec()
    paths = {name: str(getattr(spec, name)) for name in ("base_model", "train_file", "output_dir")}
    with pytest.raises(InvalidSpecError, match=message):
        parse_spec({"run_id": "1", **paths, **settings})
