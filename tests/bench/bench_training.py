"""Real tokens a second of the engine's loop and of transformers' Trainer, which LLaMA-Factory trains by.

`python -m tests.bench.bench_training [--size 1.5b]` prints one JSON object as its last line. Both sides train
LoRA of rank 16 on all linear layers of the same model of random weights, on the same rows, in steps of about
the same number of real tokens, in one process, in turns; the ratios are medians over the rounds.

The Trainer is given what LLaMA-Factory 0.9.5 gives it: bf16 autocast over a bf16 base with fp32 adapters,
SDPA, right padding to a multiple of 8, fused AdamW. `default` has its batch of 8 and its gradient
checkpointing (one turn of it takes a minute at 1.5b); `best` is the fastest of several settings without that; `packed` is its neat_packing
without flash-attn, a dense block mask.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model

from services.trainer.engine import data, loop
from services.trainer.engine.events import EventLog
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.tokenizing import load_tokenizer
from tests.bench.training_models import SHAPES, make_base, make_rows, useful_flops
from tests.unit.trainer.engine.tiny import read_samples

_WARM_UP_STEPS = 2


@dataclass(frozen=True)
class Measured:
    """A stretch of training."""

    tokens: int
    """Real ones."""
    seconds: float
    peak_bytes: int
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Real tokens a second."""
        return self.tokens / self.seconds


@dataclass(frozen=True)
class Setting:
    """How the Trainer is told to batch."""

    rows: int
    checkpointing: bool = False
    by_length: bool = False
    packed: bool = False


BASELINES = {
    "default": Setting(8, checkpointing=True),
    "rows_8": Setting(8),
    "rows_16_by_length": Setting(16, by_length=True),
    "rows_32_by_length": Setting(32, by_length=True),
    "packed": Setting(4, packed=True),
}


def synchronize() -> None:
    """Wait for the device, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_bytes() -> int:
    """Peak since the last call; 0 without an accelerator, whose two sides share one process."""
    if not torch.cuda.is_available():
        return 0
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    return peak


def matmul_peak() -> float:
    """FLOP/s of a large product in the precision of training, the ceiling for MFU."""
    size = 8192 if torch.cuda.is_available() else 1024
    device = "cuda" if torch.cuda.is_available() else "cpu"
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(8):
        synchronize()
        began = time.perf_counter()
        _ = left @ right
        synchronize()
        seconds.append(time.perf_counter() - began)
    return float(2 * size**3 / min(seconds))


def release() -> None:
    """Give unused memory back, so that no side pays for the other's."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def engine_turn(spec: TrainSpec, steps: int) -> Measured:
    """Prepare the engine's own loop and time it after the warm-up."""
    with (
        tempfile.TemporaryDirectory(dir=spec.output_dir) as folder,
        EventLog(Path(folder) / "events.jsonl", spec.run_id) as events,
    ):
        run = loop.prepare(spec, events)
        planned = run.plan.steps(0, _WARM_UP_STEPS + steps)
        for step in islice(planned, _WARM_UP_STEPS):
            loop.do_step(run, step)
        before = run.totals.tokens
        synchronize()
        began = time.perf_counter()
        for step in planned:
            loop.do_step(run, step)
        synchronize()
        seconds = time.perf_counter() - began
    return Measured(
        run.totals.tokens - before,
        seconds,
        peak_bytes(),
        {
            "packed": run.model.packed,
            "recomputes_activations": run.model.recomputes_activations,
            "micro_batch_tokens": run.memory.most_tokens,
            "memory_estimate_gib": round(run.memory.estimate_bytes / 2**30, 2),
            "loss_first": round(run.totals.loss_first, 4),
            "loss_last": round(run.totals.loss_last, 4),
        },
    )


class _Clock(transformers.TrainerCallback):
    """Times the steps after the warm-up."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == _WARM_UP_STEPS:
            synchronize()
            self.began = time.perf_counter()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        synchronize()
        self.ended = time.perf_counter()


class Collator:
    """LLaMA-Factory's: right padding to a multiple of 8, or a dense mask over packed rows."""

    def __init__(self, pad_id: int, packed: bool) -> None:
        self.pad_id = pad_id
        self.packed = packed

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make a batch; `tokens` goes along for the count."""
        longest = max(len(row["input_ids"]) for row in rows)
        length = -(-longest // 8) * 8
        ids = torch.full((len(rows), length), self.pad_id)
        labels = torch.full((len(rows), length), -100)
        owner = torch.zeros((len(rows), length), dtype=torch.int64)
        place = torch.zeros((len(rows), length), dtype=torch.int64)
        for index, row in enumerate(rows):
            here = slice(0, len(row["input_ids"]))
            ids[index, here] = torch.tensor(row["input_ids"])
            labels[index, here] = torch.tensor(row["labels"])
            owner[index, here] = torch.tensor(row["owner"])
            place[index, here] = torch.tensor(row["place"])
        batch = {"input_ids": ids, "labels": labels, "attention_mask": (owner > 0).long()}
        if self.packed:
            same = (owner[:, :, None] == owner[:, None, :]) & (owner > 0)[:, :, None]
            batch["attention_mask"] = (same & torch.ones(length, length, dtype=torch.bool).tril())[:, None]
            batch["position_ids"] = place
        return batch


def as_row(samples: list[data.Sample]) -> dict[str, Any]:
    """Samples end to end, with labels and whose each token is."""
    row: dict[str, Any] = {"input_ids": [], "labels": [], "owner": [], "place": []}
    for number, sample in enumerate(samples, 1):
        labels = [-100] * len(sample.ids)
        for start, end in sample.spans:
            labels[start:end] = sample.ids[start:end]
        row["input_ids"] += sample.ids
        row["labels"] += labels
        row["owner"] += [number] * len(sample.ids)
        row["place"] += range(len(sample.ids))
    return row


def pack_rows(samples: list[data.Sample], capacity: int) -> list[dict[str, Any]]:
    """LLaMA-Factory's knapsack: fill each pack with the longest row that still fits."""
    left = sorted(samples, key=lambda sample: len(sample.ids))
    packs = []
    while left:
        pack = [left.pop()]
        room = capacity - len(pack[0].ids)
        while fitting := [index for index, sample in enumerate(left) if len(sample.ids) <= room]:
            pack.append(left.pop(fitting[-1]))
            room -= len(pack[-1].ids)
        packs.append(as_row(pack))
    return packs


def trainer_turn(spec: TrainSpec, samples: list[data.Sample], setting: Setting, steps: int) -> Measured:
    """Set transformers.Trainer up as LLaMA-Factory does and time it after the warm-up."""
    on_cuda = torch.cuda.is_available()
    causal = transformers.AutoModelForCausalLM.from_pretrained(
        spec.base_model,
        dtype=torch.bfloat16 if on_cuda else torch.float32,
        device_map={"": "cuda"} if on_cuda else None,
    )
    causal.config.use_cache = False
    torch.manual_seed(spec.seed)
    adapted = get_peft_model(
        causal,
        LoraConfig(
            r=spec.lora_rank, lora_alpha=spec.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    adapted.enable_input_require_grads()
    rows = (
        pack_rows(samples, spec.cutoff_length) if setting.packed else [as_row([sample]) for sample in samples]
    )
    mean = sum(len(row["input_ids"]) for row in rows) / len(rows)
    accumulation = max(1, round(spec.batch_tokens / (mean * setting.rows)))

    collator = Collator(causal.config.pad_token_id or 0, setting.packed)
    clock = _Clock()
    arguments = transformers.TrainingArguments(
        output_dir=str(spec.output_dir / "trainer"),
        per_device_train_batch_size=setting.rows,
        gradient_accumulation_steps=accumulation,
        max_steps=_WARM_UP_STEPS + steps,
        learning_rate=spec.learning_rate,
        bf16=on_cuda,
        gradient_checkpointing=setting.checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if setting.checkpointing else None,
        optim="adamw_torch_fused" if on_cuda else "adamw_torch",
        train_sampling_strategy="group_by_length" if setting.by_length else "random",
        remove_unused_columns=False,
        logging_steps=10,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=not on_cuda,
    )
    trainer = _CountingTrainer(
        model=adapted, args=arguments, train_dataset=rows, data_collator=collator, callbacks=[clock]
    )
    trainer.train()
    return Measured(trainer.real_tokens, clock.ended - clock.began, peak_bytes())


class _CountingTrainer(transformers.Trainer):
    """Counts the real tokens of the steps after the warm-up."""

    counted: torch.Tensor | int = 0

    @property
    def real_tokens(self) -> int:
        return int(self.counted)

    def training_step(self, model: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
        if self.state.global_step >= _WARM_UP_STEPS:
            # The diagonal of a dense mask is that of a padded one.
            mask = inputs["attention_mask"]
            real = mask.diagonal(dim1=-2, dim2=-1) if mask.ndim == 4 else mask
            self.counted = self.counted + real.sum()
        return super().training_step(model, inputs, *arguments, **options)


def compare(spec: TrainSpec, rounds: int, steps: int, names: list[str]) -> dict[str, Any]:
    """Take the sides in turns, each alone on the device, and return figures and ratios."""
    samples = read_samples(spec.train_file, load_tokenizer(spec.base_model), spec.cutoff_length)
    spec.output_dir.mkdir(parents=True, exist_ok=True)
    turns: dict[str, list[Measured]] = {name: [] for name in ("engine", *names)}
    for _ in range(rounds):
        for name, done in turns.items():
            release()
            try:
                if name == "engine":
                    done.append(engine_turn(spec, steps))
                else:
                    done.append(trainer_turn(spec, samples, BASELINES[name], steps))
                print(f"{name}: {done[-1].rate:.0f} real tokens/s", flush=True)
            except torch.cuda.OutOfMemoryError:
                print(f"{name}: out of memory", flush=True)
    return report(spec, samples, turns)


def report(spec: TrainSpec, samples: list[data.Sample], turns: dict[str, list[Measured]]) -> dict[str, Any]:
    """The figures of one model."""
    release()
    lengths = [len(sample.ids) for sample in samples]
    supervised = sum(end - start for sample in samples for start, end in sample.spans)
    per_token = useful_flops(SHAPES[spec.base_model.name], lengths, supervised) / sum(lengths)
    ceiling = matmul_peak()
    rates = {name: [each.rate for each in done] for name, done in turns.items() if done}
    ours = rates.pop("engine")
    ratios = {
        name: round(statistics.median(mine / other for mine, other in zip(ours, found, strict=True)), 3)
        for name, found in rates.items()
    }
    middle = {"engine": statistics.median(ours)} | {
        name: statistics.median(found) for name, found in rates.items()
    }
    return {
        "model": spec.base_model.name,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "step_tokens": spec.batch_tokens,
        "mean_row_tokens": round(statistics.mean(lengths)),
        "longest_row_tokens": max(lengths),
        "tokens_per_second": {name: round(rate) for name, rate in middle.items()},
        "rounds": {name: [round(each.rate) for each in done] for name, done in turns.items()},
        "mfu": {name: round(rate * per_token / ceiling, 3) for name, rate in middle.items()},
        "matmul_tflops": round(ceiling / 1e12, 2),
        "peak_gib": {
            name: round(max(each.peak_bytes for each in done) / 2**30, 2)
            for name, done in turns.items()
            if done
        },
        **turns["engine"][-1].facts,
        "vs_trainer_default": ratios.get("default"),
        "vs_trainer_best": min((v for name, v in ratios.items() if name != "default"), default=None),
        "vs_trainer": ratios,
    }


def main() -> None:
    """Measure one size and print."""
    on_cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SHAPES, default="1.5b" if on_cuda else "tiny")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--step-tokens", type=int, default=32_768 if on_cuda else 2048)
    parser.add_argument("--baselines", nargs="*", choices=BASELINES, default=list(BASELINES))
    parser.add_argument("--longest", type=int, default=2048 if on_cuda else 256)
    chosen = parser.parse_args()
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as name:
        folder = Path(name)
        base = folder / chosen.size
        device = torch.device("cuda" if on_cuda else "cpu")
        make_base(base, SHAPES[chosen.size], device, chosen.longest)
        release()
        spec = TrainSpec(
            run_id="bench",
            base_model=base,
            train_file=make_rows(folder / "rows.jsonl", 4000 if on_cuda else 200, chosen.longest),
            output_dir=folder / "out",
            epochs=1000.0,
            # A step is one planned batch, which the engine cuts to what the device takes.
            batch_tokens=chosen.step_tokens,
            cutoff_length=chosen.longest,
            precision="bf16" if on_cuda else "fp32",
        )
        print(json.dumps(compare(spec, chosen.rounds, chosen.steps, chosen.baselines)))


if __name__ == "__main__":
    main()
