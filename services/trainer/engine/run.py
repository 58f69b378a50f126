"""The frame around a run: one process a folder, events for every outcome, an exit code for every cause."""

from __future__ import annotations

import contextlib
import sys
import traceback

from services.trainer.engine import stacks
from services.trainer.engine.errors import (
    DiskFullError,
    EngineError,
    OutOfMemoryError,
    PeerLostError,
    RunChangedError,
    Stopped,
)
from services.trainer.engine.events import FILE_NAME, EventLog, FailureLog, read_events
from services.trainer.engine.files import is_full_disk, locked
from services.trainer.engine.parallel import place
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.stopping import StopSignal

_NO_MEMORY = ("DefaultCPUAllocator", "can't allocate memory", "std::bad_alloc", "Cannot allocate memory")


def run(spec: TrainSpec, stop: StopSignal) -> int:
    """Do or continue a run and return its exit code; a finished one is left as it is."""
    try:
        if not place.is_first():
            return _run_with_others(spec, stop)
        with locked(spec.output_dir):
            if _is_finished(spec):
                return 0
            with (
                EventLog(spec.output_dir / FILE_NAME, spec.run_id) as events,
                stacks.listening(spec.output_dir),
            ):
                return _reported(spec, events, stop)
    except (EngineError, OSError) as error:
        # Without the folder there is no place for an event.
        failure = DiskFullError(str(error)) if is_full_disk(error) else error
        print(f"error: {failure}", file=sys.stderr)
        return failure.exit_code if isinstance(failure, EngineError) else 1


def _run_with_others(spec: TrainSpec, stop: StopSignal) -> int:
    """Take part in a run for which the first process speaks."""
    if _is_finished(spec):
        return 0
    spec.output_dir.mkdir(parents=True, exist_ok=True)
    with FailureLog(spec.output_dir / FILE_NAME, spec.run_id) as events, stacks.listening(spec.output_dir):
        return _reported(spec, events, stop)


def _is_finished(spec: TrainSpec) -> bool:
    finished = False
    for event, _ in read_events(spec.output_dir / FILE_NAME):
        if event.get("run_id") != spec.run_id:
            raise RunChangedError(
                f"output_dir: {spec.output_dir} belongs to run {event.get('run_id')}, not to {spec.run_id}; "
                "use another output_dir"
            )
        finished = finished or event["type"] == "finished"
    return finished


def _reported(spec: TrainSpec, events: EventLog, stop: StopSignal) -> int:
    began = _size(spec)
    try:
        events.enter_phase("importing")
        # Here, so that a wrong spec is told at once and the heartbeat covers the seconds that torch takes.
        from services.trainer.engine.loop import train  # noqa: PLC0415

        train(spec, events, stop)
    except Stopped as request:
        events.emit("stopped", step=request.step)
        return request.exit_code
    except Exception as error:
        failure = _classified(error)
        if failure.reason == EngineError.reason:
            traceback.print_exc()
        print(f"error: {failure}", file=sys.stderr)
        # Whoever was left alone must not hide why the other one went.
        if isinstance(failure, PeerLostError) and _has_failed(spec, began):
            return failure.exit_code
        # On a full disk the exit code has to tell it.
        with contextlib.suppress(OSError):
            events.emit("failed", reason=failure.reason, message=str(failure))
        return failure.exit_code
    return 0


def _size(spec: TrainSpec) -> int:
    return (spec.output_dir / FILE_NAME).stat().st_size


def _has_failed(spec: TrainSpec, offset: int) -> bool:
    return any(event["type"] == "failed" for event, _ in read_events(spec.output_dir / FILE_NAME, offset))


def _classified(error: Exception) -> EngineError:
    if isinstance(error, EngineError):
        return error
    # torch's own class has two names in the releases we support; both end alike.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or _is_refused(error):
        return OutOfMemoryError(
            f"out of memory: {_first_line(error)}; lower batch_tokens or cutoff_length, "
            "or set gradient_checkpointing"
        )
    if place.size() > 1 and _is_of_group(error):
        return PeerLostError(
            f"another process of the run has ended or does not answer: {_first_line(error)}; its own words, "
            "if it had time for any, are in the log"
        )
    if is_full_disk(error):
        where = getattr(error, "filename", None) or "output_dir"
        return DiskFullError(f"no space left for {where}; free some and start again")
    return EngineError(f"{type(error).__name__}: {_first_line(error)}")


def _is_refused(error: Exception) -> bool:
    """Whether the machine refused memory to torch, which on a CPU says so by text alone."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def _is_of_group(error: Exception) -> bool:
    """Tell whether talking to the other processes failed, which gloo says by text alone."""
    # torch's own class; not imported, as torch may be what failed.
    if any(kind.__name__ == "DistError" for kind in type(error).__mro__):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("gloo" in text or "closed by peer" in text)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
