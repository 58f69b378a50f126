"""Deployments: models that are to be loaded, and what to make of it when they cannot be."""

from __future__ import annotations

import re
import signal
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from services.runtime.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    SishuError,
    Unavailable,
)
from services.runtime.failures import Failure
from services.runtime.faults import RETRYABLE

BUILTIN = "builtin"
_OF_ROOM = frozenset({"shared", "idle_seconds"})
"""Options that are none of the engine's business."""
MOST_FAILED_STARTS = 3
LONGEST_DELAY_SECONDS = 30.0
WAIT_SECONDS = 2.0
LONGEST_SAYING = 500

AWAY = frozenset(
    {"SERVICE_UNREACHABLE", "DATABASE_UNAVAILABLE", "STORAGE_UNAVAILABLE", "TIMED_OUT", "MODEL_PREPARING"}
)
"""Reasons that say nothing about the model: what is needed to load it is not there yet."""

ENDED = frozenset({"ENGINE_ENDED", "OUT_OF_MEMORY"})
"""Reasons that mean: an engine was started, and ended by itself."""

OUT_OF_MEMORY = re.compile(
    r"out of memory|MemoryError|can't allocate memory|Cannot allocate memory|bad_alloc"
)

REFUSAL = re.compile(r"^(?P<reason>(?!CANNOT_LISTEN)[A-Z]+(?:_[A-Z]+)+): (?P<message>.+)", re.M | re.S)
"""The last words of an engine that cannot serve its model, however often it is started."""


@dataclass(frozen=True)
class DeploymentOptions:
    """How a model is to be loaded; nothing of it leaves the choice to the engine."""

    shared: bool = False
    """One engine for all deployments of a base that say so: adapters are loaded beside it, not merged."""
    device: str = ""
    precision: str = ""
    context_length: int = 0
    """Most tokens of prompt and answer together."""
    kv_memory_mib: int = 0
    """Memory for keys and values."""
    idle_seconds: int = 0
    """Unloaded after so long without a question; 0 keeps it loaded."""

    @property
    def of_engine(self) -> dict[str, Any]:
        """What an engine is told, by its flags; what is left to it is left out."""
        return {name: value for name, value in asdict(self).items() if value and name not in _OF_ROOM}

    def as_json(self) -> dict[str, Any]:
        """As it is stored: equal options are equal there."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Deployment:
    """A model that is to be loaded for as long as the deployment exists."""

    id: str
    project_id: str
    model_id: str
    state: str
    failure: Failure | None
    engine: str
    base_url: str
    served_model_name: str
    restarts: int
    create_time: datetime
    update_time: datetime
    options: DeploymentOptions = DeploymentOptions()  # frozen

    @property
    def settled(self) -> bool:
        """Whether it answers, or cannot be loaded."""
        return self.state != "loading"

    @property
    def loads_for_questions(self) -> bool:
        """Whether a question makes it load, or waits for a load that another question has begun."""
        return self.state == "idle" or (self.state == "loading" and self.options.idle_seconds > 0)


@dataclass(frozen=True)
class ModelFolders:
    """What an engine loads: a model, and perhaps an adapter for it."""

    model: Path
    adapter: Path | None = None
    base_name: str = ""
    """Name of the base model that an adapter is for."""


class Verdict(Enum):
    """What to do after a failed start."""

    WAIT = "try again for as long as it takes"
    RETRY = "try again, a few times"
    GIVE_UP = "it will never load as it is"


def verdict(error: SishuError) -> Verdict:
    """What an error at loading means."""
    if error.reason in AWAY:
        return Verdict.WAIT
    return Verdict.RETRY if error.code in RETRYABLE else Verdict.GIVE_UP


def delay_seconds(failures: int) -> float:
    """Seconds to wait after the n-th failure in a row: 1, 2, 4 … 30; a short while where there was none."""
    if failures == 0:
        return WAIT_SECONDS
    return float(min(2.0 ** (failures - 1), LONGEST_DELAY_SECONDS))


def engine_failure(exit_code: int, log_tail: str, log_path: str) -> SishuError:
    """Why an engine ended before it answered, from its exit code and the end of its log."""
    said = last_line(log_tail)
    if OUT_OF_MEMORY.search(log_tail) or exit_code == -signal.SIGKILL:
        return ResourceExhausted(
            "OUT_OF_MEMORY",
            "the model does not fit into the free memory: delete another deployment, or use a smaller model "
            f"(the engine said: {said}; log: {log_path})",
            log=log_path,
        )
    refusal = REFUSAL.search(log_tail)
    if refusal:
        message = " ".join(refusal["message"].split())[:LONGEST_SAYING]
        return InvalidArgument(refusal["reason"], f"{message} (log: {log_path})", log=log_path)
    ended = f"by signal {-exit_code}" if exit_code < 0 else f"with code {exit_code}"
    return Unavailable(
        "ENGINE_ENDED",
        f"the engine ended {ended} while it loaded the model: {said} (log: {log_path})",
        log=log_path,
    )


def last_line(text: str) -> str:
    """The last line of a log that says something, shortened."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:LONGEST_SAYING] if lines else "nothing"


def not_ready(deployment: Deployment) -> FailedPrecondition:
    """The error for asking a deployment that does not answer."""
    if deployment.failure:
        why = f"it could not be loaded: {deployment.failure.message}"
    else:
        why = "its model is being loaded; wait until it is READY"
    return FailedPrecondition(
        "DEPLOYMENT_NOT_READY",
        f"deployment {deployment.id} does not answer: {why}",
        deployment_id=deployment.id,
        state=deployment.state.upper(),
    )


def not_found(deployment_id: str) -> NotFound:
    """The error for a deployment that is not there."""
    return NotFound(
        "DEPLOYMENT_NOT_FOUND", f"there is no deployment {deployment_id}", deployment_id=deployment_id
    )
