"""Full disks, in plain words."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from services.runtime.errors import FailedPrecondition


def is_full(error: OSError) -> bool:
    """Whether a disk has no room, or a quota is used up."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Say that the disk of this machine is full.

    Raises:
        FailedPrecondition: it is.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise FailedPrecondition(
            "DISK_FULL",
            "the disk of the dataset room's worker is full, and nothing was imported; free space in its "
            "folder for temporary files, and retry the job",
        ) from error
