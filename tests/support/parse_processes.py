"""The processes that parse for another one, told from the programs that libraries start beside them."""

from __future__ import annotations

import asyncio
import os

import psutil

from services.ingest.parsing.children import PROGRAM

SURE_SECONDS = 0.1
"""A process that is to run another program bears the name of its parent for a moment."""


def parse_processes(pid: int | None = None) -> list[psutil.Process]:
    """All under a process, this one by default: the warm ones and what they forked for a document."""
    return [one for one in psutil.Process(pid).children(recursive=True) if runs_program(one)]


def warm_ones(pid: int | None = None) -> list[psutil.Process]:
    """Those that wait for documents."""
    return [one for one in parse_processes(pid) if parent_of(one) == (pid or os.getpid())]


def forks(pid: int | None = None) -> list[psutil.Process]:
    """Those that parse a document."""
    warm = {one.pid for one in warm_ones(pid)}
    return [one for one in parse_processes(pid) if parent_of(one) in warm]


async def a_fork(pid: int | None = None) -> psutil.Process:
    """The process that parses the one document in work; for sure no other program."""
    async with asyncio.timeout(60):
        while True:
            seen = forks(pid)
            await asyncio.sleep(SURE_SECONDS)
            if still := [one for one in forks(pid) if one in seen]:
                return still[0]


def runs_program(process: psutil.Process) -> bool:
    """Whether a process runs the program that parses."""
    try:
        return PROGRAM in process.cmdline()
    except psutil.Error:
        return False


def parent_of(process: psutil.Process) -> int:
    """The id of the parent; 0 where the process is gone."""
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0
