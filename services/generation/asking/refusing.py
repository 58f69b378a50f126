"""Pause jobs all of whose calls would come to nothing, until key, account or server are put right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from services.generation.calls.provider_errors import TURNED_AWAY
from services.runtime.endurance import Endurance
from services.runtime.errors import SishuError
from services.runtime.failures import Failure
from services.runtime.jobs import Item, ItemClosed, Jobs

PAUSING = TURNED_AWAY | {"PROVIDER_KEY_MISSING", "PROVIDER_KEY_INVALID"}
"""Reasons that hold for every item of a job, and that only people can put right."""

AWAY = ("PROVIDER_UNREACHABLE", "PROVIDER_OVERLOADED", "PROVIDER_RATE_LIMITED")
"""Reasons that have nothing to do with what is asked; mostly they pass."""
UNKNOWN = "PROVIDER_HOST_UNKNOWN"
"""Mostly a mistake in the address, but a name may also lack while its server starts anew: not put up with for
longer than other trouble."""
AWAY_PATIENCE, SLOW_PATIENCE = 30.0, 10.0
"""How many times longer than other trouble they are put up with, and that an answer takes too long: one that
times out takes minutes each time."""

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


def away(error: SishuError, job_id: str) -> Failure | None:
    """Why a job is paused whose server has been away for too long; nothing for other trouble."""
    return refused(error, job_id) if error.reason in {*AWAY, UNKNOWN} else None


ENDURANCE = Endurance({**dict.fromkeys(AWAY, AWAY_PATIENCE), "PROVIDER_TIMED_OUT": SLOW_PATIENCE}, away)


def refused(error: SishuError, job_id: str) -> Failure:
    """Why a job is paused whose calls are refused."""
    return Failure(
        error.code,
        error.reason,
        f"{error.message}. Then let it go on with `sishu job resume {job_id}`",
        {**error.metadata, "paused_job_id": job_id},
    )
