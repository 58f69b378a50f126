"""A file of LLaMA-Factory's arguments: read here, understood by the trainer room, told to people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from sishu.cli.argument_failures import halves_in_words
from sishu.cli.failures import in_words
from sishu.cli.output import ERRORS
from sishu.client import Client
from sishu.errors import ApiError
from sishu.trainer.v1.training_service_pb2 import TranslateTrainingConfigRequest
from sishu.trainer.v1.training_translation_pb2 import ArgumentRemark, TrainingTranslation

DEEPSPEED = re.compile(r"""^\s*"?deepspeed"?\s*:\s*["']?([^"'\s,#{}]+)""", re.MULTILINE)
"""Where a file of arguments names one of DeepSpeed's."""


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        ApiError: there is none, or it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        reason, message = "TEXT_NOT_UTF8", f"{path} is not UTF-8 text; save it as UTF-8"
    except OSError as error:
        reason, message = "PATH_NOT_FOUND", f"{path} cannot be read: {error.strerror}; check the path"
    raise ApiError("INVALID_ARGUMENT", reason, message, metadata={"path": str(path)})


def deepspeed_file(path: Path, text: str) -> str:
    """Content of the file that `deepspeed` names, looked for here and beside `path`; nothing without one."""
    named = DEEPSPEED.search(text)
    if named is None:
        return ""
    for folder in (Path(), path.parent):
        if (folder / named[1]).is_file():
            return read_text(folder / named[1])
    return ""


async def translated(
    client: Client, path: Path, text: str, devices: int, deepspeed: str
) -> TrainingTranslation:
    """What a file means.

    Raises:
        ApiError: it has faults; each was printed with its line.
    """
    request = TranslateTrainingConfigRequest(text=text, devices=devices, deepspeed=deepspeed)
    told = (await client.training.TranslateTrainingConfig(request)).translation
    if not told.errors:
        return told
    for one in told.errors:
        where = f"{path}:{one.line}" if one.line else str(path)
        words = in_words(one.reason, one.message, halves_in_words(one.metadata))
        ERRORS.print(f"{where}: {words}", markup=False, highlight=False, soft_wrap=True)
    count = str(len(told.errors))
    raise ApiError(
        "INVALID_ARGUMENT",
        "ARGUMENTS_REFUSED",
        f"{path} has {count} faults, and nothing was started; mend the lines above",
        metadata={"path": str(path), "count": count},
    )


def show_notes(notes: Iterable[ArgumentRemark]) -> None:
    """Print what is done in place of arguments, a line for all of which the same is to say."""
    for (reason, message), group in groupby(
        sorted(notes, key=lambda one: one.reason), lambda one: (one.reason, one.message)
    ):
        names = ", ".join(one.argument for one in group)
        line = f"{names}: {in_words(reason, message, {})}"
        ERRORS.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
