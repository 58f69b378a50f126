"""Pause jobs all of whose calls would be refused, for the key or for money, until that is put right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from services.generation.calls.provider_errors import TURNED_AWAY
from services.runtime.errors import SishuError
from services.runtime.jobs import Failure, Item, ItemClosed, Jobs

PAUSING = TURNED_AWAY | {"PROVIDER_KEY_MISSING", "PROVIDER_KEY_INVALID"}
"""Reasons that hold for every item of a job, and that only people can put right."""

log = structlog.get_logger()


@asynccontextmanager
async def pausing(jobs: Jobs, item: Item) -> AsyncIterator[None]:
    """Around the calls of an item.

    Raises:
        ItemClosed: they were refused, and the job is paused.
    """
    try:
        yield
    except SishuError as error:
        if error.reason not in PAUSING:
            raise
        log.warning("job_paused", reason=error.reason, error=error.message)
        await jobs.pause(item.job_id, refused(error, item.job_id))
        raise ItemClosed from error


def refused(error: SishuError, job_id: str) -> Failure:
    """Why a job is paused whose calls are refused."""
    return Failure(
        error.code,
        error.reason,
        f"{error.message}. Then let it go on with `sishu job resume {job_id}`",
        {**error.metadata, "paused_job_id": job_id},
    )
