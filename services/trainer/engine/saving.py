"""What a run leaves on the disk: checkpoints to go on from, and in the end an adapter or a whole model."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

import torch

from services.trainer.engine import checkpoint, model
from services.trainer.engine.adapter import copy_adapter, write_adapter
from services.trainer.engine.errors import RunChangedError
from services.trainer.engine.files import new_folder, telling_full_disk, unfinished
from services.trainer.engine.parallel import group, place, starting
from services.trainer.engine.rendering import FILE as RENDERER
from services.trainer.engine.state import Run
from services.trainer.engine.validation import Best
from services.trainer.engine.whole import copied, write_model

ADAPTER, MODEL = "adapter", "model"
"""Folder of what the run gives: adapters, or a whole model."""


def resume(run: Run) -> None:
    """Continue from the newest valid checkpoint, if any. Raises RunChangedError if it is another run's."""
    # One process looks: another could find a file that this one is about to delete.
    found = checkpoint.newest_valid(run.checkpoints) if place.is_first() else (None, [])
    folder, damaged = found
    step = group.of_first(lambda: checkpoint.step_of(folder) if folder else -1)
    if step >= 0:
        folder = checkpoint.checkpoint_path(run.checkpoints, step)
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
    layout = saved.get("layout", run.strategy.layout)
    if layout != run.strategy.layout:
        raise RunChangedError(
            f"output_dir: {folder} was made as {layout}, which cannot go on as {run.strategy.layout}; give "
            "devices and deepspeed_stage their old values back, or start a new run in another output_dir"
        )
    _restore_draws(run, run.strategy.load(folder), saved["totals"]["step"])
    run.schedule.load(saved.get("schedule", {}))
    best = Best(**saved["totals"].pop("best"))
    for name, value in saved["totals"].items():
        setattr(run.totals, name, value)
    # Of a best step whose checkpoint is lost nothing could be published.
    lost = group.of_first(lambda: best.step != 0 and best_folder(run, best) is None)
    run.totals.best = Best() if lost else best


def _draws(run: Run) -> dict[str, torch.Tensor]:
    """Random states of all processes, those of the first by plain names."""
    states = {"rng_cpu": torch.get_rng_state()}
    if run.model.device.type == "cuda":
        states["rng_cuda"] = torch.cuda.get_rng_state()
    return {
        f"{name}_{rank}" if rank else name: state
        for name, mine in states.items()
        for rank, state in enumerate(group.gathered(mine))
    }


def _restore_draws(run: Run, states: dict[str, torch.Tensor], step: int) -> None:
    """Draw on as if the run had never been interrupted, or anew where there were fewer processes."""
    suffix = f"_{place.rank()}" if place.rank() else ""
    if f"rng_cpu{suffix}" not in states:
        starting.draw_apart(run.spec.seed, step)
        return
    torch.set_rng_state(states[f"rng_cpu{suffix}"])
    on_device = states.get(f"rng_cuda{suffix}")
    if on_device is not None and run.model.device.type == "cuda":
        torch.cuda.set_rng_state(on_device)


def best_folder(run: Run, best: Best) -> Path | None:
    """The checkpoint of the best step, if there is a sound one."""
    folder = checkpoint.checkpoint_path(run.checkpoints, best.step)
    return folder if best.step and checkpoint.is_valid(folder) else None


def save(run: Run) -> None:
    """Write a checkpoint of the state after the last finished step, unless it is there already."""
    step = run.totals.step
    target = checkpoint.checkpoint_path(run.checkpoints, step)
    if (step == 0 and not run.goes_back) or group.of_first(lambda: checkpoint.is_valid(target)):
        return
    run.events.enter_phase("saving")
    began = time.perf_counter()
    with telling_full_disk(f"the checkpoint of step {step}", run.checkpoints):
        _write(run, target)
    if place.is_first():
        checkpoint.prune(run.checkpoints, run.spec.keep_checkpoints, run.totals.best.step)
        seconds = round(time.perf_counter() - began, 4)
        run.events.emit("checkpoint", step=step, path=str(target), seconds=seconds)
    # Whoever is told to stop ends after this, and its end would end the first.
    group.wait()
    run.events.enter_phase("training")


def _write(run: Run, target: Path) -> None:
    draws = _draws(run)

    def made() -> AbstractContextManager[Path]:
        return checkpoint.new_checkpoint(run.checkpoints, run.totals.step)

    with group.filled_by_all(made, unfinished(target)) as folder:
        run.strategy.save(folder, draws)
        run.events.worked()
        with run.strategy.whole() if run.spec.method == "lora" else nullcontext():
            _describe(run, folder)
        run.events.worked()


def _describe(run: Run, folder: Path) -> None:
    """What everybody can read of a checkpoint."""
    if not place.is_first():
        return
    if run.spec.method == "lora":
        write_adapter(run.model.adapted, folder, run.spec.base_name)
    content = {
        "totals": asdict(run.totals),
        "identity": run.identity,
        "layout": run.strategy.layout,
        "schedule": run.schedule.state(),
    }
    (folder / "state.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def publish(run: Run) -> tuple[Path, int]:
    """Write what the run gives, as `publish` asks; returns its folder and the step that it is of."""
    best = _best_to_publish(run)
    if run.spec.method == "lora":
        target = run.spec.output_dir / ADAPTER
        with run.strategy.whole():
            if place.is_first():
                _publish_adapter(run, target, best)
    else:
        target = run.spec.output_dir / MODEL
        if best is not None:
            # The steps are done: what the model has learned since then is in the last checkpoint.
            run.strategy.load_weights(best)
        weights = copied(run.model.causal)
        if place.is_first():
            _publish_model(run, target, weights)
    return target, run.totals.step if best is None else run.totals.best.step


def _best_to_publish(run: Run) -> Path | None:
    """The checkpoint of the best step, where that is wanted, had, and sound."""
    best = run.totals.best
    if run.spec.publish != "best" or not group.of_first(lambda: best_folder(run, best) is not None):
        return None
    return checkpoint.checkpoint_path(run.checkpoints, best.step)


def _publish_adapter(run: Run, target: Path, best: Path | None) -> None:
    with new_folder(target) as folder:
        if best is None:
            write_adapter(run.model.adapted, folder, run.spec.base_name)
        else:
            copy_adapter(best, folder)
        _record(run, folder)


def _publish_model(run: Run, target: Path, weights: dict[str, torch.Tensor]) -> None:
    with new_folder(target) as folder:
        write_model(run.model.causal, weights, run.spec.base_model, folder, run.spec.base_name)
        _record(run, folder)


def _record(run: Run, folder: Path) -> None:
    """Write beside what was learned how it is to be shown conversations, and where it comes from."""
    if run.identity["renderer"]:
        record = json.dumps(run.identity["renderer"], indent=1, ensure_ascii=False)
        (folder / RENDERER).write_text(record, encoding="utf-8")
    lineage = {**run.identity, "base_model_name": run.spec.base_name, "versions": model.versions()}
    (folder / "run.json").write_text(json.dumps(lineage, indent=1, ensure_ascii=False), encoding="utf-8")
