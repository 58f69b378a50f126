"""Models: base models that were registered, and what training made of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.failures import Failure
from services.runtime.jobs import Job

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/(?!.*\.gguf$)[\w.-]+")
"""`org/name`, as the model hub writes it."""

CANCELLED = Failure(
    "CANCELLED", "MODEL_CANCELLED", "preparing the model was cancelled; delete it and create it again"
)


@dataclass(frozen=True)
class Model:
    """A base model, or what was made of one; what a run made has no `job`."""

    id: str
    project_id: str
    name: str
    kind: str
    source: str
    base_model_id: str | None
    training_run_id: str | None
    architecture: str
    parameter_count: int
    sha256: str
    chat_template_sha256: str
    context_length: int
    size_bytes: int
    create_time: datetime
    job: Job | None = None
    renderer_sha256: str = ""

    @property
    def has_own_weights(self) -> bool:
        """Whether it is a whole model to train on, not an adapter for one."""
        return self.kind in {"base", "tuned", "merged"}

    @property
    def state(self) -> str:
        """`preparing`, `ready` or `failed`, as the job says; a model without a job came out of a run."""
        if self.job is None or self.job.state == "succeeded":
            return "ready"
        return "failed" if self.job.ended else "preparing"

    @property
    def failure(self) -> Failure | None:
        """Why the model cannot be used; nothing unless it failed."""
        if self.state != "failed" or self.job is None:
            return None
        return CANCELLED if self.job.state == "cancelled" else self.job.failure


@dataclass(frozen=True)
class ModelFile:
    """A stored file of a model; `name` is its path inside the model folder."""

    name: str
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Made:
    """What a run made, as it is to be stored."""

    kind: str
    files: Sequence[ModelFile]
    architecture: str
    parameter_count: int
    sha256: str
    chat_template_sha256: str
    context_length: int
    renderer_sha256: str = ""


def digest_of(files: Sequence[ModelFile]) -> str:
    """SHA-256 over names and digests of a model's files, by name: equal files give an equal digest."""
    lines = (f"{file.name}\0{file.sha256}\n" for file in sorted(files, key=lambda file: file.name))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def public_name(model: Model) -> str:
    """What an adapter calls its base: the hub id, by which others find it, else our name; never a path."""
    return model.source if HUB_ID.fullmatch(model.source) else model.name


def check_new_model(name: str, source: str, kind: str | None) -> None:
    """Hold name, source and kind of a new model against the rules of the contract; no kind means base.

    Raises:
        InvalidArgument: one of them breaks its rule.
    """
    if kind not in {None, "base"}:
        raise InvalidArgument(
            "MODEL_KIND_UNSUPPORTED",
            f"only base models can be created, not one of kind {kind}; a training run makes the others",
            "model.kind",
            kind=str(kind),
        )
    check_name(name, "model.name")
    if not source.strip() or not source.isprintable():
        raise InvalidArgument(
            "FIELD_INVALID",
            "a base model needs a source: builtin, a folder, a .gguf file, or a hub id such as org/name",
            "model.source",
        )


def check_name(name: str, field: str) -> None:
    """Hold a name against the rules of the contract.

    Raises:
        InvalidArgument: the name is blank or has control characters.
    """
    if not name.strip() or not name.isprintable():
        raise InvalidArgument("FIELD_INVALID", f"{field} must have printable characters", field)


def check_trainable(model: Model, project_id: str) -> None:
    """Hold a model against what a training run needs of its base.

    Raises:
        InvalidArgument: it is no base model, or belongs to another project.
        FailedPrecondition: it is not ready.
    """
    field = "training_run.base_model_id"
    if model.project_id != project_id:
        raise InvalidArgument("FIELD_INVALID", f"the model {model.name!r} belongs to another project", field)
    if not model.has_own_weights:
        raise InvalidArgument(
            "FIELD_INVALID",
            f"the model {model.name!r} is of kind {model.kind}; give the base model that it was made from",
            field,
        )
    if model.state != "ready":
        cause = f": {model.failure.message}" if model.failure else "; wait until it is prepared"
        raise FailedPrecondition(
            "MODEL_NOT_READY", f"the model {model.name!r} is {model.state}{cause}", field, state=model.state
        )
