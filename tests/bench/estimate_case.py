"""What the tensors of one training run take at their peak on this CPU, beside what was estimated of it.

The run is the engine's own, in this process. Two figures are measured, in bytes:

- `measured`: what torch's CPU allocator had given out at the fullest moment: the storages of all tensors that
  live before the first step, and from then on every allocation and release that the allocator reports to the
  profiler, those inside kernels too. It means what `torch.cuda.max_memory_allocated` means on an accelerator.
- `resident`: by how much the resident set of the process grew from before the model was loaded.
"""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from services.runtime.base_models import resolve_base_model
from services.trainer.engine import loop
from services.trainer.engine.events import FILE_NAME, EventLog
from services.trainer.engine.model import cpu_computes_bf16
from services.trainer.engine.spec import parse_spec
from services.trainer.engine.stopping import StopSignal
from services.trainer.estimating.architectures import of_config
from services.trainer.estimating.memory import Memory, memory_of
from services.trainer.estimating.trainings import Rows, workload_of
from services.trainer.training_config import TrainingConfig
from tests.bench.estimate_cases import Case
from tests.bench.estimate_models import RowsMade, make_model, make_rows

CACHE = Path.home() / ".cache" / "sishu" / "bench" / "models"


def measure(case: Case, folder: Path) -> dict[str, Any]:
    """Do the case's run and return what it took, and what was expected."""
    base = _model_of(case, folder)
    config = TrainingConfig(**{"packing": "off", **case.config})
    count = 2 * max(1, config.batch_tokens // case.row_tokens)
    rows = make_rows(folder / "rows.jsonl", base, case.row_tokens, count)
    before = _status("VmRSS")
    _forget_peak()
    measured = run_case(config, base, rows, folder)
    resident = _status("VmHWM") - before
    expected = expected_of(config, base, rows)
    return {
        "case": case.name,
        "measured": measured,
        "estimated": round(expected.tensors),
        "error": round(expected.tensors / measured - 1, 4),
        "resident": resident,
    }


def run_case(config: TrainingConfig, base: Path, rows: RowsMade, folder: Path) -> int:
    """Train for two steps and a checkpoint; the peak of the tensors in bytes."""
    spec = {
        **{name: value for name, value in config.as_json().items() if name in _OF_SPEC},
        "lora_targets": list(config.lora_targets) or "all-linear",
        "run_id": "bench",
        "base_model": str(base),
        "train_file": str(rows.path),
        "output_dir": str(folder / "out"),
        "max_steps": 2,
        "device": "cpu",
        "threads": 1,
        "checkpoint_steps": 0,
        "tokenizer_processes": 1,
    }
    parsed = parse_spec(spec)
    parsed.output_dir.mkdir()
    with EventLog(parsed.output_dir / FILE_NAME, parsed.run_id) as events:
        run = loop.prepare(parsed, events)
        held = held_bytes()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            loop.do_steps(run, StopSignal())
    return held + most_above(profiler)


_OF_SPEC = (
    *("method", "freeze_layers", "lora_rank", "lora_dropout", "lora_init", "optimizer", "precision"),
    *("batch_tokens", "packing", "gradient_checkpointing", "logits_positions", "objective"),
)


def expected_of(config: TrainingConfig, base: Path, rows: RowsMade) -> Memory:
    """What the service would expect of it, knowing the rows."""
    shape = of_config(json.loads((base / "config.json").read_bytes()))
    known = Rows(longest_tokens=rows.tokens, learned_share=rows.learned / rows.tokens)
    return memory_of(workload_of(config, shape, known, on_cpu=True, native_bf16=cpu_computes_bf16(), stage=0))


def held_bytes() -> int:
    """Bytes of the storages of all tensors that live."""
    gc.collect()
    sizes = {}
    for each in gc.get_objects():
        if issubclass(type(each), torch.Tensor) and each.device.type == "cpu":
            storage = each.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
    return sum(sizes.values())


def most_above(profiler: Any) -> int:
    """Most that the allocator had given out above what it had at the beginning."""
    events = [each for each in profiler.profiler.kineto_results.events() if each.name() == "[memory]"]
    most = total = 0
    for each in sorted(events, key=lambda event: event.start_ns()):
        total += each.nbytes()
        most = max(most, total)
    return most


def _model_of(case: Case, folder: Path) -> Path:
    if isinstance(case.shape, str):
        return resolve_base_model(case.shape, CACHE)
    return make_model(folder / "base", case.shape)


def _forget_peak() -> None:
    """Let VmHWM begin anew (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _status(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{name}:")[1].split()[0]) * 1024
