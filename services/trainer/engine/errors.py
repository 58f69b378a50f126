"""What can stop a training run, and the exit code each cause has."""

from __future__ import annotations


class EngineError(Exception):
    """A run that cannot go on; the message says what, where and what to do."""

    reason = "INTERNAL"
    exit_code = 1


class InvalidSpecError(EngineError):
    """The spec file has an unknown key, a wrong type or a value out of range."""

    reason = "INVALID_SPEC"
    exit_code = 2


class InvalidRowError(EngineError):
    """A line of the train file cannot be turned into tokens and labels."""

    reason = "INVALID_ROW"
    exit_code = 2


class BaseModelError(EngineError):
    """The base model folder cannot be loaded, or cannot be trained as the spec says."""

    reason = "INVALID_BASE_MODEL"
    exit_code = 2


class DeviceError(EngineError):
    """The wanted device is not there."""

    reason = "DEVICE_UNAVAILABLE"
    exit_code = 2


class OptimizerError(EngineError):
    """The wanted optimizer is not there, or cannot work on this device."""

    reason = "OPTIMIZER_UNAVAILABLE"
    exit_code = 2


class ScheduleError(EngineError):
    """The wanted schedule is not in the releases that the engine runs on."""

    reason = "SCHEDULE_UNAVAILABLE"
    exit_code = 2


class OutputDirError(EngineError):
    """Another process works in the output folder."""

    reason = "OUTPUT_DIR_IN_USE"
    exit_code = 5


class RunChangedError(EngineError):
    """The output folder belongs to another run, or to this one with other settings, data or model."""

    reason = "RUN_CHANGED"
    exit_code = 2


class BadStepError(EngineError):
    """A step from which nothing can be learned.

    Args:
        message: what came of it, on which rows, and what to do.
        step: its number.
        is_rows_fault: whether its rows are at fault, and the weights are as good as before.
    """

    exit_code = 3

    def __init__(self, message: str, step: int, *, is_rows_fault: bool = False) -> None:
        super().__init__(message)
        self.step = step
        self.is_rows_fault = is_rows_fault


class NonFiniteLossError(BadStepError):
    """Loss, gradient or weights became nan or infinite."""

    reason = "NON_FINITE_LOSS"


class NothingLearnedError(BadStepError):
    """Loss or gradient of a step is 0."""

    reason = "NOTHING_LEARNED"


class PeerLostError(EngineError):
    """Another process of a run on several devices has ended, or does not answer."""

    reason = "PEER_LOST"


class OutOfMemoryError(EngineError):
    """The device's or the machine's memory does not hold the model and one batch."""

    reason = "OUT_OF_MEMORY"


class DiskFullError(EngineError):
    """The disk has no room for what is to be written; what was there before is as it was."""

    reason = "DISK_FULL"
    exit_code = 6


class MergeError(EngineError):
    """A merged model is not what base and adapter are together, or has no place to go."""

    reason = "MERGE_FAILED"


class Stopped(BaseException):
    """Somebody asked the run to stop. Like KeyboardInterrupt it must pass `except Exception`.

    Args:
        step: the last one done, which a checkpoint holds; None before the first step of this process.
    """

    exit_code = 4

    def __init__(self, step: int | None = None) -> None:
        super().__init__(step)
        self.step = step
