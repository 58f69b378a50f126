"""The command line, run as a program against the rooms of a test."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

from tests.integration.stores import Rooms, room_environment

RUN_SECONDS = 60.0


@dataclass
class CommandLine:
    """The command line, on a project of its own."""

    rooms: Rooms
    project: str

    async def run(self, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
        """The exit code and all that was printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sishu.cli.main",
            *arguments,
            env=room_environment(self.rooms.stores, {"COLUMNS": "120", **(env or {})}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await asyncio.wait_for(process.communicate(), RUN_SECONDS)
        assert process.returncode is not None
        return process.returncode, printed.decode()
