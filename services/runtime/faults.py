"""Turn whatever was raised into the `SishuError` that a caller may see."""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import structlog

from services.runtime.db import DATABASE_AWAY, is_misuse
from services.runtime.errors import (
    Aborted,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    SishuError,
    Unauthenticated,
    Unavailable,
)
from services.runtime.errors import AlreadyExists as Exists
from sishu.errors import ApiError

RETRYABLE = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED"})
"""Codes after which the same work may succeed later."""

WAITED_FOR = frozenset(
    {
        "ANSWER_AWAITED",
        "BATCH_PENDING",
        "BUDGET_RESERVED",
        "DEPLOYMENT_LOADING",
        "DEVICES_BUSY",
        "PROVIDER_BUSY",
        "ROUND_RUNNING",
    }
)
"""Reasons that are no trouble: what the work needs is on its way, however long that takes."""

BRIEF = frozenset({"ANSWER_AWAITED"})
"""Those of them that mostly last for seconds, and are nobody's concern before they last longer."""

BY_CODE: dict[str, type[SishuError]] = {
    kind.code: kind
    for kind in (
        Aborted,
        DeadlineExceeded,
        Exists,
        FailedPrecondition,
        Internal,
        InvalidArgument,
        NotFound,
        ResourceExhausted,
        Unauthenticated,
        Unavailable,
    )
}

log = structlog.get_logger()


def as_sishu_error(error: BaseException) -> SishuError:
    """The error itself if it is one of ours; what another room said; otherwise its kind.

    An error that nobody foresaw becomes INTERNAL with an id, under which the log has the traceback.
    """
    if isinstance(error, SishuError):
        return error
    if isinstance(error, ApiError):
        kind = BY_CODE.get(error.code, Internal)
        return kind(error.reason, error.message, error.field, **error.metadata)
    if isinstance(error, DATABASE_AWAY) and not is_misuse(error):
        return Unavailable(
            "DATABASE_UNAVAILABLE", "Postgres cannot be reached now; try again when it is back"
        )
    if isinstance(error, asyncpg.TransactionRollbackError):
        return Aborted("TRANSACTION_LOST", "a concurrent change won; try again")
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return DeadlineExceeded("TIMED_OUT", "a wait took longer than it may; try again")
    error_id = str(uuid.uuid4())
    log.error("unforeseen_error", error_id=error_id, exc_info=error)
    return Internal(
        "INTERNAL", f"an internal error happened; the service's log has it as {error_id}", error_id=error_id
    )
