"""The engine's programs that make and look at model folders, as child processes that answer in JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from services.runtime.errors import FailedPrecondition, Internal, InvalidArgument, SishuError, Unavailable
from services.trainer.engine_process import DISK_FULL, INPUT_AT_FAULT, LOG_NAME, engine, last_line

ENGINE = "services.trainer.engine"
STOP_SECONDS = 5.0


async def answer_of(
    python: Path,
    program: str,
    arguments: Sequence[str],
    work: Path,
    reason: str,
    environment: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """Run a program to its end; return the JSON object on its last line.

    Args:
        python: Python that has torch.
        program: module within the engine.
        arguments: what it takes.
        work: folder for its log.
        reason: of the error where its input is at fault.
        environment: variables beside those of this process.

    Raises:
        InvalidArgument: what it was given is at fault.
        FailedPrecondition: the disk is full.
        Unavailable: something ended it.
        Internal: it failed otherwise.
    """
    (work / LOG_NAME).unlink(missing_ok=True)
    command = [str(python), "-m", f"{ENGINE}.{program}", *arguments]
    async with engine(command, work, STOP_SECONDS, environment) as process:
        code = await process.wait()
    said = await asyncio.to_thread(last_line, work)
    if code:
        raise error_of(code, said.removeprefix("error: "), reason)
    try:
        found: Mapping[str, Any] = json.loads(said)
    except ValueError as error:
        raise Internal("ENGINE_FAILED", f"the engine said no result, but: {said}") from error
    return found


def error_of(code: int, said: str, reason: str) -> SishuError:
    """The error for a program that ended with a code other than 0.

    Args:
        code: exit code, or minus the number of the signal that ended it.
        said: the last line of its log.
        reason: of the error where its input is at fault.
    """
    if code < 0:
        return Unavailable(
            "ENGINE_KILLED",
            f"the engine was ended by signal {-code}; if that is 9, the machine may lack memory",
            signal=str(-code),
        )
    if code == INPUT_AT_FAULT:
        return InvalidArgument(reason, said)
    if code == DISK_FULL:
        return FailedPrecondition("DISK_FULL", said)
    return Internal("ENGINE_FAILED", f"the engine failed: {said or f'exit code {code}'}")
