"""Logs: one JSON object a line on standard error, with request id and job id where there is one."""

from __future__ import annotations

import logging
import sys

import structlog

from services.runtime.errors import InvalidArgument

TALKATIVE = ("asyncpg", "pgqueuer")
"""Libraries that log a traceback for every try while the database is away."""
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(room: str, level: str) -> None:
    """Send structlog and the libraries' own logging through one formatter.

    Raises:
        InvalidArgument: the level is unknown.
    """
    if level not in LEVELS:
        raise InvalidArgument(
            "CONFIG_INVALID",
            f"SISHU_LOG_LEVEL is {level!r}; use one of {', '.join(LEVELS)}",
            "SISHU_LOG_LEVEL",
        )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[in_one_line, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    # One line a call of a library says nothing that our own lines do not.
    logging.basicConfig(level=max(LEVELS[level], logging.WARNING), handlers=[handler], force=True)
    for name in ("services", "sishu", "__main__"):
        logging.getLogger(name).setLevel(LEVELS[level])
    structlog.contextvars.bind_contextvars(room=room)


def in_one_line(
    _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Name the error of a talkative library, and leave out its traceback."""
    record, info = event.get("_record"), event.get("exc_info")
    if (
        isinstance(record, logging.LogRecord)
        and record.name.startswith(TALKATIVE)
        and isinstance(info, tuple)
    ):
        del event["exc_info"]
        event["error"] = f"{type(info[1]).__name__}: {info[1]}"
    return event
