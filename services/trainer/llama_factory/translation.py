"""LLaMA-Factory's arguments in our own: the one way from a file's text to a config."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from services.runtime.errors import InvalidArgument
from services.trainer.llama_factory import conflicts, meanings
from services.trainer.llama_factory.reading import Given, UnreadableError, read_arguments
from services.trainer.llama_factory.remarks import Remark
from services.trainer.llama_factory.saying import Said
from services.trainer.training_config import resolve


@dataclass(frozen=True)
class Translation:
    """What a file comes to. With faults there is no config."""

    config: dict[str, Any] = field(default_factory=dict)
    """Fields of `TrainingConfig`."""
    faults: tuple[Remark, ...] = ()
    notes: tuple[Remark, ...] = ()
    run_name: str = ""
    """What the run is called: `run_name`, else the last part of `output_dir`."""
    model: str = ""
    """`model_name_or_path`."""
    datasets: tuple[str, ...] = ()
    """Names in `dataset`."""
    validation: float = 0.0
    """`val_size`: the share of the rows to validate on, or from 1 their number."""


def translate(text: str, devices: int = 1, deepspeed: str = "") -> Translation:
    """Read a file of arguments.

    Args:
        text: YAML or JSON, as `llamafactory-cli train` takes it.
        devices: on how many it is meant to run; its batch size is per device.
        deepspeed: content of the file that `deepspeed` names; empty where it names one of LLaMA-Factory's.
    """
    try:
        given, twice = read_arguments(text)
        given = _with_deepspeed(given, deepspeed)
    except UnreadableError as error:
        return Translation(faults=(error.fault,))
    said = Said(given)
    said.faults += twice
    meanings.tell(said, devices)
    conflicts.check(said)
    _check_whole(said)
    faults = tuple(sorted(said.faults, key=lambda fault: fault.line))
    return Translation(
        {} if faults else said.config,
        faults,
        tuple(said.notes),
        said["run_name"] or _name_of(said["output_dir"] or ""),
        said["model_name_or_path"] or "",
        said["dataset"] or (),
        said["val_size"],
    )


def _name_of(output_dir: str) -> str:
    """A run's name from its folder: `saves/qwen3/lora/sft` → `qwen3-lora-sft`."""
    parts = PurePosixPath(output_dir).parts
    if "saves" in parts:
        return "-".join(parts[parts.index("saves") + 1 :])
    return parts[-1] if parts else ""


def _with_deepspeed(given: list[Given], content: str) -> list[Given]:
    """The arguments, with the file that `deepspeed` names in its place.

    Raises:
        UnreadableError: it is neither YAML nor JSON.
    """
    if not content:
        return given
    try:
        inner, _ = read_arguments(content)
    except UnreadableError as error:
        raise UnreadableError(error.fault.line, f"in the file that deepspeed names, {error}") from error
    value = {one.name: one.value for one in inner}
    return [Given(one.name, value, one.line) if one.name == "deepspeed" else one for one in given]


def _check_whole(said: Said) -> None:
    """Hold the config against the rules that the service has for every config."""
    if said.faults:
        return
    try:
        resolve(said.config)
    except InvalidArgument as error:
        origin = said.origin(error.field.rsplit(".", 1)[-1])
        said.fault(origin, error.reason, error.message, why=error.message)
