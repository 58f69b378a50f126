"""What the ingest room can be told."""

from __future__ import annotations

from dataclasses import dataclass

from services.runtime.config import setting


@dataclass(frozen=True)
class IngestConfig:
    """Settings of the ingest room beside those that every room has."""

    parse_seconds: float = setting("SISHU_INGEST_PARSE_SECONDS", 300.0)
    """Longest time that reading one document may take."""
