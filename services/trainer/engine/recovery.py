"""What becomes of a step that came to nothing: a loss or gradient that is no number, or is 0.

Such a step never touches the weights. With `bad_step` "stop" the run fails, and its checkpoints stay. With
"rollback" it goes on by itself:

- a loss of 0 says that no token of these rows is learned: the step is passed over;
- else the run goes back to its newest sound checkpoint, and its learning rate is lowered for good;
- a step that fails again has rows at fault, not the rate: back once more, and this time past it;
- one checkpoint after which the run fails twice was spoilt when it was written: back to the one before.
"""

from __future__ import annotations

import math

import torch

from services.trainer.engine import checkpoint
from services.trainer.engine.batching import Step
from services.trainer.engine.errors import BadStepError, NonFiniteLossError, NothingLearnedError
from services.trainer.engine.objectives import PREFERENCES
from services.trainer.engine.parallel import group, place
from services.trainer.engine.parallel.divided import part_of
from services.trainer.engine.saving import load, save
from services.trainer.engine.state import Run

_SHOWN_LINES = 20


def check_step(run: Run, step: Step, loss: float, norm: float) -> None:
    """Hold a step's loss and gradient norm against what can be learned from. Raises BadStepError."""
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise NonFiniteLossError(
            f"{_where(run, step, loss, norm)}; look at these rows, lower learning_rate, use precision fp32 "
            'or set bad_step to "rollback"',
            step.number,
        )
    if loss == 0 and run.spec.objective in PREFERENCES:
        # What is told apart far enough has a loss of 0 in fp32; the step changes nothing.
        return
    if loss == 0:
        raise NothingLearnedError(
            f"{_where(run, step, loss, norm)}; these rows have no token to learn, or all are known by heart: "
            "look at them, or train for fewer steps",
            step.number,
            is_rows_fault=True,
        )
    if norm == 0:
        raise NothingLearnedError(
            f"{_where(run, step, loss, norm)}; the weights learn nothing any more: lower learning_rate, or "
            'set bad_step to "rollback"',
            step.number,
        )


def _where(run: Run, step: Step, loss: float, norm: float) -> str:
    lines = lines_of(run, step)
    shown = ", ".join(map(str, lines[:_SHOWN_LINES])) + (", …" if len(lines) > _SHOWN_LINES else "")
    return f"step {step.number}: loss {loss}, gradient norm {norm} on {run.spec.train_file} lines {shown}"


def lines_of(run: Run, step: Step) -> list[int]:
    """Lines of the train file that a step learns from."""
    return sorted({run.objective.items[index].line for batch in step.batches for index in batch})


def check_validation(step: int, loss: float) -> float:
    """Demand that a loss on the validation rows is a number, and return it. Raises BadStepError."""
    if math.isfinite(loss):
        return loss
    raise NonFiniteLossError(
        f"step {step}: validation loss {loss}; lower learning_rate, use precision fp32 or set bad_step to "
        '"rollback"',
        step,
    )


def save_sound(run: Run) -> None:
    """Write a checkpoint. Raises BadStepError where weights are no numbers: to that nobody should go back."""
    if group.any_of(not all(bool(torch.isfinite(part_of(each)).all()) for each in run.model.learned)):
        step = run.totals.step
        raise NonFiniteLossError(
            f"step {step}: a weight is no number any more; lower learning_rate, use precision fp32 or set "
            'bad_step to "rollback"',
            step,
        )
    save(run)


def recover(run: Run, failure: BadStepError) -> None:
    """Do what the spec wants done about a failed step.

    Raises the failure where that is to stop, where it has happened too often, or where no checkpoint is left.
    """
    spec, known = run.spec, run.mishaps
    if spec.bad_step == "stop":
        raise failure
    if len(known.failed) >= spec.rollback_limit:
        often = f"{failure}; {len(known.failed)} steps failed before, which is rollback_limit"
        raise type(failure)(often, failure.step)
    again = failure.step in known.failed
    if failure.is_rows_fault or again:
        known.passed_over.append(failure.step)
    else:
        known.rate_factor *= spec.rollback_rate
    known.failed.append(failure.step)
    run.strategy.discard()
    if not failure.is_rows_fault:
        step = group.of_first(lambda: _step_to_go_to(run, is_spoilt_possible=not again))
        if step < 0:
            raise failure
        known.went_to = step
    if place.is_first():
        known.write()
    if not failure.is_rows_fault:
        load(run, checkpoint.checkpoint_path(run.checkpoints, known.went_to))
    run.events.emit(
        "rolled_back",
        step=run.totals.step,
        failed_step=failure.step,
        reason=failure.reason,
        message=str(failure),
        rate_factor=known.rate_factor,
        passed_over=failure.step in known.passed_over,
    )


def _step_to_go_to(run: Run, *, is_spoilt_possible: bool) -> int:
    """Step of the newest sound checkpoint, or of the one before it where the run has failed after that.

    -1 where there is none.
    """
    known, root = run.mishaps, run.checkpoints
    folder, damaged = checkpoint.newest_valid(root)
    checkpoint.drop(root, damaged)
    if folder is not None and is_spoilt_possible and checkpoint.step_of(folder) == known.went_to:
        older, damaged = checkpoint.newest_valid(root, before=known.went_to)
        checkpoint.drop(root, damaged)
        if older is not None:
            checkpoint.drop(root, [folder.name])
            folder = older
    return -1 if folder is None else checkpoint.step_of(folder)
