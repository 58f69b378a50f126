"""How models are made of models, and what may not be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.models import Model

SHARD_BYTES = 5_000_000_000
GGUF_ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
"""What goes into a GGUF file; the engine's `export/gguf_layout.py` knows how."""
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
GGUF_FOLDER = "gguf"


@dataclass(frozen=True)
class Merge:
    """How an adapter is merged."""

    adapter_id: str
    precision: str = "bf16"
    shard_bytes: int = SHARD_BYTES
    device: str = "cpu"
    """`cpu` or `trainer`."""


@dataclass(frozen=True)
class UploadFile:
    """A file that somebody announced: its path inside the model folder, bytes, and SHA-256."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Upload:
    """The files of a model folder on their way."""

    id: str
    project_id: str
    files: Sequence[UploadFile]

    @property
    def prefix(self) -> str:
        """Where the bucket keeps them until they are checked."""
        return f"model_uploads/{self.project_id}/{self.id}/"

    @property
    def kind(self) -> str:
        """What they are: `adapter`, or a whole model."""
        return "adapter" if any(file.name == ADAPTER_FILES[0] for file in self.files) else "tuned"


def upload_of(upload_id: str, project_id: str, files: Sequence[Mapping[str, Any]]) -> Upload:
    """An upload as it is stored."""
    return Upload(upload_id, project_id, [UploadFile(**file) for file in files])


def prefix_of(model: Model) -> str:
    """Where the bucket keeps the files of a model."""
    return f"models/{model.project_id}/{model.id}/"


def check_ready(model: Model) -> None:
    """Demand that a model can be used.

    Raises:
        FailedPrecondition: it is being prepared, or failed.
    """
    if model.state != "ready":
        cause = f": {model.failure.message}" if model.failure else "; wait until its job has ended"
        raise FailedPrecondition(
            "MODEL_NOT_READY", f"the model {model.name!r} is {model.state}{cause}", "id", state=model.state
        )


def check_mergeable(model: Model) -> None:
    """Demand a ready adapter.

    Raises:
        InvalidArgument: it is none.
        FailedPrecondition: it is not ready.
    """
    if model.kind != "adapter":
        raise InvalidArgument(
            "MODEL_KIND_UNSUPPORTED",
            f"the model {model.name!r} is of kind {model.kind}; only an adapter can be merged",
            "id",
            kind=model.kind,
        )
    check_ready(model)


def check_exportable(model: Model) -> None:
    """Demand a ready model with weights of its own, of an architecture that goes.

    Raises:
        InvalidArgument: it is an adapter, or of another architecture.
        FailedPrecondition: it is not ready.
    """
    if not model.has_own_weights:
        raise InvalidArgument(
            "MODEL_KIND_UNSUPPORTED",
            f"the model {model.name!r} is of kind {model.kind}; merge it first, then export the merged model",
            "id",
            kind=model.kind,
        )
    check_ready(model)
    if model.architecture not in GGUF_ARCHITECTURES:
        raise InvalidArgument(
            "ARCHITECTURE_UNSUPPORTED",
            f"{model.architecture} is not written as GGUF; these are: {', '.join(GGUF_ARCHITECTURES)}",
            "id",
            architecture=model.architecture,
            architectures=", ".join(GGUF_ARCHITECTURES),
        )


def check_own_base(model: Model, project_id: str) -> None:
    """Hold the base of an imported model against what is needed of it.

    Raises:
        InvalidArgument: it belongs to another project, or is an adapter.
        FailedPrecondition: it is not ready.
    """
    if model.project_id != project_id:
        raise InvalidArgument(
            "FIELD_INVALID", f"the model {model.name!r} belongs to another project", "base_model_id"
        )
    if not model.has_own_weights:
        raise InvalidArgument(
            "MODEL_KIND_UNSUPPORTED",
            f"the model {model.name!r} is of kind {model.kind}; give the base that it was made from",
            "base_model_id",
            kind=model.kind,
        )
    check_ready(model)


def check_files(files: Sequence[UploadFile], *, has_base: bool) -> None:
    """Hold the names of uploaded files against what a model folder needs.

    Raises:
        InvalidArgument: something is missing, or a name stands there twice.
    """
    names = [file.name for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _files_invalid(f"{', '.join(twice)} is announced twice")
    if ADAPTER_FILES[0] in names:
        if ADAPTER_FILES[1] not in names:
            raise _files_invalid(f"an adapter needs {ADAPTER_FILES[1]}; save it with safetensors")
        if not has_base:
            raise _files_invalid("an adapter needs its base: give base_model_id")
        return
    if "config.json" not in names:
        raise _files_invalid(
            "there is neither an adapter_config.json nor a config.json, so it is no model folder"
        )
    if not any(name.endswith(".safetensors") for name in names):
        raise _files_invalid("it has no .safetensors weights; save it with safetensors")


def _files_invalid(message: str) -> InvalidArgument:
    return InvalidArgument("MODEL_FILES_INVALID", message, "files")
