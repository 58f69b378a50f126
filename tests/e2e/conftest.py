"""Fixtures of the end-to-end tests.

`sishu`   runs the `sishu` command in a state directory of its own; the stack is stopped at the end.
`docs`    a folder with two short documents.
`tiny`    a base model of two random layers: real training and serving in seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.tiny_model import write_tiny_model

COMMAND_SECONDS = 600


@dataclass
class Command:
    """The command in one state directory."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def arguments(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "sishu.cli.main", "--home", str(self.home), *map(str, arguments)]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LANG": "C.UTF-8", "HF_HUB_OFFLINE": "1", **self.env}

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(*arguments),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def kill(self, component: str) -> None:
        """`kill -9` of a component of the stack."""
        rows = [json.loads(line) for line in self.run("--json", "status").stdout.splitlines()]
        (pid,) = [int(row["pid"]) for row in rows if row["name"] == component]
        os.kill(pid, signal.SIGKILL)

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.arguments(*arguments),
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def sishu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    command = Command(tmp_path_factory.mktemp("stack") / "home")
    yield command
    command.run("down")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "mill.md").write_text(
        "# The mill\n\n"
        + "\n\n".join(
            f"The mill of Ostrel ground {number} sacks of rye on day {number} of the flood year."
            for number in range(11, 31)
        )
        + "\n",
        encoding="utf-8",
    )
    (folder / "river.txt").write_text(
        "\r\n".join(
            f"The river Amber rose by {number} centimetres at gate {number} during the storm."
            for number in range(31, 46)
        ),
        encoding="utf-8",
    )
    return folder
