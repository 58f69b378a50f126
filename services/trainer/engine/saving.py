"""What a run leaves on the disk: checkpoints to go on from, and in the end an adapter or a whole model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from services.trainer.engine import checkpoint, model
from services.trainer.engine.adapter import copy_adapter, write_adapter
from services.trainer.engine.errors import RunChangedError
from services.trainer.engine.files import new_folder
from services.trainer.engine.state import Run
from services.trainer.engine.validation import Best
from services.trainer.engine.whole import write_model

ADAPTER, MODEL = "adapter", "model"
"""Folder of what the run gives: adapters, or a whole model."""
STATE = "state.safetensors"


def resume(run: Run) -> None:
    """Continue from the newest valid checkpoint, if any. Raises RunChangedError if it is another run's."""
    folder, damaged = checkpoint.newest_valid(run.checkpoints)
    if folder is not None:
        load(run, folder)
    checkpoint.drop(run.checkpoints, damaged)
    if folder is not None or damaged:
        run.events.emit("resumed", step=run.totals.step, path=str(folder or ""), damaged=damaged)


def load(run: Run, folder: Path) -> None:
    """Take over a checkpoint's state. Raises RunChangedError if it is another run's."""
    saved = json.loads((folder / "state.json").read_bytes())
    for name, value in run.identity.items():
        before = saved["identity"].get(name)
        if before != value:
            raise RunChangedError(
                f"output_dir: {folder} was made with {name} {before!r}, now it is {value!r}; "
                "give the old value back, or start a new run in another output_dir"
            )
    tensors = load_file(folder / STATE)
    torch.set_rng_state(tensors.pop("rng_cpu"))
    rng_device = tensors.pop("rng_cuda", None)
    if rng_device is not None and run.model.device.type == "cuda":
        torch.cuda.set_rng_state(rng_device)
    run.optimizer.load(tensors)
    run.schedule.load(saved.get("schedule", {}))
    best = Best(**saved["totals"].pop("best"))
    for name, value in saved["totals"].items():
        setattr(run.totals, name, value)
    # Of a best step whose checkpoint is lost nothing could be published.
    run.totals.best = best if best.step == 0 or best_folder(run, best) else Best()


def best_folder(run: Run, best: Best) -> Path | None:
    """The checkpoint of the best step, if there is a sound one."""
    folder = checkpoint.checkpoint_path(run.checkpoints, best.step)
    return folder if best.step and checkpoint.is_valid(folder) else None


def save(run: Run) -> None:
    """Write a checkpoint of the state after the last finished step, unless it is there already."""
    step = run.totals.step
    target = checkpoint.checkpoint_path(run.checkpoints, step)
    if step == 0 or checkpoint.is_valid(target):
        return
    state = {**run.optimizer.state(), "rng_cpu": torch.get_rng_state()}
    if run.model.device.type == "cuda":
        state["rng_cuda"] = torch.cuda.get_rng_state()
    with checkpoint.new_checkpoint(run.checkpoints, step) as folder:
        if run.spec.method == "lora":
            write_adapter(run.model.adapted, folder, run.spec.base_name)
        save_file(state, folder / STATE)
        content = {
            "totals": asdict(run.totals),
            "identity": run.identity,
            "schedule": run.schedule.state(),
        }
        (folder / "state.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    checkpoint.prune(run.checkpoints, run.spec.keep_checkpoints, run.totals.best.step)
    run.events.emit("checkpoint", step=step, path=str(target))


def publish(run: Run) -> tuple[Path, int]:
    """Write what the run gives, as `publish` asks; returns its folder and the step that it is of."""
    is_adapter = run.spec.method == "lora"
    target = run.spec.output_dir / (ADAPTER if is_adapter else MODEL)
    best = best_folder(run, run.totals.best) if run.spec.publish == "best" else None
    with new_folder(target) as folder:
        if not is_adapter:
            if best is not None:
                # The steps are done: what the model has learned since then is in the last checkpoint.
                run.optimizer.load_weights(load_file(best / STATE))
            write_model(run.model.causal, run.spec.base_model, folder, run.spec.base_name)
        elif best is None:
            write_adapter(run.model.adapted, folder, run.spec.base_name)
        else:
            copy_adapter(best, folder)
        lineage = {**run.identity, "base_model_name": run.spec.base_name, "versions": model.versions()}
        (folder / "run.json").write_text(json.dumps(lineage, indent=1, ensure_ascii=False), encoding="utf-8")
    return target, run.totals.step if best is None else run.totals.best.step
