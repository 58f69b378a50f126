"""What the engine needs of the Python that runs it; a vendor's may be older."""

from __future__ import annotations

import re
import sys
from importlib import metadata

from services.runtime.errors import FailedPrecondition

PYTHON = (3, 11)
"""The first with `asyncio.timeout_at`."""

TRANSFORMERS = (4, 56)
"""The first that takes `dtype` at loading; the interface for attention of one's own came a little earlier."""

_REMEDY = "Let SISHU_ENGINE_PYTHON name a Python that has it."


def check_requirements(python: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Hold this Python against what the engine needs; imports none of it.

    Raises:
        FailedPrecondition: something is missing or too old; the message names it.
    """
    if python < PYTHON:
        raise _too_old("Python", _dotted(python), PYTHON)
    try:
        version = metadata.version("transformers")
    except metadata.PackageNotFoundError:
        raise FailedPrecondition(
            "ENGINE_INCOMPLETE", f"The Python {sys.executable} has no transformers. {_REMEDY}"
        ) from None
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < TRANSFORMERS:
        raise _too_old("transformers", version, TRANSFORMERS)


def _too_old(name: str, version: str, needed: tuple[int, ...]) -> FailedPrecondition:
    return FailedPrecondition(
        "ENGINE_TOO_OLD",
        f"{name} {version} is too old for the engine, which needs {_dotted(needed)}. {_REMEDY}",
        name=name,
        version=version,
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
