"""The folder into which what was made is written."""

from __future__ import annotations

import os
from pathlib import Path

from sishu.errors import ApiError


def prepare_out(out: Path) -> None:
    """Make the output folder, and see that it can be written to before anything is paid for.

    Raises:
        ApiError: it cannot.
    """
    probe = out / f".{os.getpid()}.part"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ApiError(
            "FAILED_PRECONDITION",
            "OUTPUT_UNWRITABLE",
            f"the output folder {out} cannot be written to ({error.strerror}); choose another one with --out",
            metadata={"path": str(out)},
        ) from error
