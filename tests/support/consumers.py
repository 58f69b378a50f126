"""The programs that read exports, each installed in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CACHE = Path.home() / ".cache" / "sishu" / "consumers"
INSTALL_SECONDS = 1800
RUN_SECONDS = 1200
QUIET = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "DISABLE_VERSION_CHECK": "1",
}
"""No hub, no accelerator, no bars."""


@dataclass(frozen=True)
class Consumer:
    """A program that reads exports.

    Args:
        name: of the environment.
        packages: what is installed.
        script: what reads for us, run by its own Python.
    """

    name: str
    packages: Sequence[str]
    script: str


LLAMA_FACTORY = Consumer(
    "llamafactory-0.9.5",
    # The newest torch does not go with the newest torchaudio, which LLaMA-Factory imports; its own next release
    # does not take this one of transformers.
    ("llamafactory==0.9.5", "torch==2.11.0", "torchaudio==2.11.0", "transformers!=5.6.0"),
    "consume_llama_factory.py",
)
# Without zstandard `datasets` reads no zstd.
TRL = Consumer("trl-1.16.0", ("trl==1.16.0", "datasets==5.2.0", "zstandard"), "consume_trl.py")


def read_by(consumer: Consumer, work: Path, tasks: object) -> Any:
    """What a consumer reads; tasks and answer are JSON, whose meaning its script tells.

    Raises:
        subprocess.CalledProcessError: it failed; what it said stands on standard error.
    """
    asked, answered = work / "tasks.json", work / "answer.json"
    asked.write_text(json.dumps(tasks), encoding="utf-8")
    script = Path(__file__).with_name(consumer.script)
    subprocess.run(
        [str(installed(consumer)), str(script), str(asked), str(answered)],
        cwd=work,
        env={**environment(), **QUIET, "HF_HOME": str(work / "cache")},
        timeout=RUN_SECONDS,
        check=True,
    )
    return json.loads(answered.read_text(encoding="utf-8"))


def environment() -> dict[str, str]:
    """Ours, without what names our own packages."""
    return {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def installed(consumer: Consumer) -> Path:
    """The Python of a consumer's environment, which is made unless it is there."""
    folder = CACHE / consumer.name
    python, whole = folder / "bin" / "python", folder / "whole"
    if not whole.exists() or whole.read_text() != " ".join(consumer.packages):
        run("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        run("pip", "install", "--quiet", "--python", str(python), *consumer.packages)
        whole.write_text(" ".join(consumer.packages))
    return python


def run(*arguments: str) -> None:
    """Run uv."""
    uv = Path(sys.executable).with_name("uv")
    program = str(uv) if uv.exists() else shutil.which("uv") or "uv"
    subprocess.run([program, *arguments], timeout=INSTALL_SECONDS, check=True)
