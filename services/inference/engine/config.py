"""The engine's flags, read once."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

Precision = Literal["auto", "bf16", "fp32"]
Device = Literal["auto", "cuda", "cpu"]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What one engine process serves, where, and within which limits."""

    model: Path
    """Hugging Face folder of the base model."""
    name: str
    """Model name that requests must give."""
    adapter: Path | None = None
    """PEFT adapter folder, merged into the base at load; unset serves the base."""
    host: str = "127.0.0.1"
    """Address to bind."""
    port: int = 0
    """Port to bind; 0 lets the system choose (see ready_file)."""
    max_batch: int = 16
    """Completions decoded together; the others wait."""
    max_queue: int = 256
    """Completions that may wait; one more gets HTTP 429."""
    precision: Precision = "auto"
    """Dtype of weights and cache; auto takes bf16 where the hardware multiplies it, else fp32."""
    device: Device = "auto"
    """Where to compute; auto takes an accelerator where torch sees one."""
    threads: int = 0
    """CPU threads for the arithmetic; 0 leaves the choice to torch."""
    context_length: int = 0
    """Most tokens of prompt and completion together; 0 takes the model's own limit."""
    kv_memory_mib: int = 2048
    """Memory for keys and values in MiB; a completion waits until its worst case fits."""
    request_seconds: float = 600.0
    """A completion that takes longer, waiting included, gets HTTP 504."""
    api_key_file: Path | None = None
    """File with the key that requests must bear; unset asks for none."""
    runtime_adapters: bool = False
    """Whether adapters of this machine's folders may be loaded by HTTP."""
    ready_file: Path | None = None
    """Written as JSON {"port", "pid"} once the model is loaded and the port listens."""
    parent: int = 0
    """Process id of the starter; the engine ends when its parent is another."""


def parse_flags(arguments: list[str]) -> EngineConfig:
    """Read the command line; argparse prints the fault and exits with 2 where it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m services.inference.engine", description=__doc__)
    add = parser.add_argument
    add("--model", type=_folder, required=True, help="Hugging Face folder of the base model")
    add("--name", required=True, help="model name that requests must give")
    add("--adapter", type=_folder, help="PEFT adapter folder to merge into the base")
    add("--host", help="address to bind (127.0.0.1)")
    add("--port", type=int, help="port to bind (0: any free one)")
    add("--max-batch", type=_positive, help="completions decoded together (16)")
    add("--max-queue", type=_positive, help="completions that may wait (256)")
    add("--precision", choices=get_args(Precision), help="dtype of weights and cache (auto)")
    add("--device", choices=get_args(Device), help="where to compute (auto)")
    add("--threads", type=_positive, help="CPU threads (torch's choice)")
    add("--context-length", type=_positive, help="most tokens of prompt and completion (the model's limit)")
    add("--kv-memory-mib", type=_positive, help="memory for keys and values (2048)")
    add("--request-seconds", type=float, help="longest time a completion may take (600)")
    add("--api-key-file", type=Path, help="file with the key that requests must bear")
    add("--runtime-adapters", action="store_true", help="let adapters be loaded and unloaded by HTTP")
    add("--ready-file", type=Path, help="written as JSON once the engine serves")
    add("--parent", type=int, default=os.getppid(), help="end when this process ends (the starter)")
    given = vars(parser.parse_args(arguments))
    return EngineConfig(**{f.name: given[f.name] for f in fields(EngineConfig) if given[f.name] is not None})


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"no folder {text}")
    return path
