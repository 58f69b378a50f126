"""The tools that tell of accelerators, where they lie, and the ways to ask each."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.trainer.node.accelerators import Accelerator
from services.trainer.node.smi_csv import QUERY, cards_of_csv
from services.trainer.node.smi_json import cards_of_json
from services.trainer.node.smi_text import cards_of_fields, cards_of_table

DTK_FOLDERS = "/opt/hyhal/bin:/opt/dtk/bin"
"""Where DTK puts its tools; a service does not always have its folders on its PATH."""

# Several flags in one call cost little; those that measure the bus or the units take a second each.
_FLAGS = (
    "--showproductname",
    "--showuse",
    "--showmemuse",
    "--showmeminfo",
    "vram",
    "--showpower",
    "--showtemp",
)


@dataclass(frozen=True)
class Way:
    """One way to ask a tool."""

    arguments: tuple[str, ...]
    read: Callable[[str], list[Accelerator]]


@dataclass(frozen=True)
class Tool:
    """A tool on this machine, with the ways to ask it, the best first."""

    name: str
    path: str
    ways: tuple[Way, ...]


_OF_ROCM = (
    Way((*_FLAGS, "--json"), cards_of_json),
    Way(_FLAGS, cards_of_fields),
    Way((), cards_of_table),
)
_WAYS = {
    "hy-smi": _OF_ROCM,
    "rocm-smi": _OF_ROCM,
    "nvidia-smi": (Way((f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"), cards_of_csv),),
}


# The folder of the program has modules of ours, which are not to hide others (-P).
_OF_NVML = Tool("nvml", sys.executable, (Way(("-P", str(Path(__file__).parent / "nvml.py")), cards_of_csv),))


def find_tools() -> list[Tool]:
    """The tools that this machine has; Hygon's own comes before the one that it was made from.

    NVML comes last: where there is `nvidia-smi`, that says the same and starts faster.
    """
    found = [(name, where(name)) for name in _WAYS]
    tools = [Tool(name, path, _WAYS[name]) for name, path in found if path is not None]
    return [*tools, _OF_NVML] if nvidia_is_loaded() and importlib.util.find_spec("pynvml") else tools


def nvidia_is_loaded(root: Path = Path("/")) -> bool:
    """Whether NVIDIA's driver is: its library is often installed where there is no card."""
    return any((root / name).exists() for name in ("dev/nvidiactl", "dev/dxg"))


def where(name: str) -> str | None:
    """Path of a program, on the PATH or where DTK has it."""
    return shutil.which(name) or shutil.which(name, path=DTK_FOLDERS)
