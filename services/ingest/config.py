"""What the ingest room can be told."""

from __future__ import annotations

from dataclasses import dataclass

from services.runtime.config import setting


@dataclass(frozen=True)
class IngestConfig:
    """Settings of the ingest room beside those that every room has."""

    parse_seconds: float = setting("SISHU_INGEST_PARSE_SECONDS", 300.0)
    """Longest time that parsing one document may take."""
    parse_memory_mib: int = setting("SISHU_INGEST_PARSE_MEMORY_MIB", 4096)
    """Most address space that parsing one document may take."""
    most_chars: int = setting("SISHU_INGEST_MOST_CHARS", 20_000_000)
    """Longest text that a document may have."""
    upload_seconds: float = setting("SISHU_INGEST_UPLOAD_SECONDS", 86400.0)
    """How long an upload lives: the bytes are to be sent and checked before; an hour later it goes."""
