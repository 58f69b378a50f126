"""Sections as they are stored."""

from __future__ import annotations

from dataclasses import dataclass

from services.ingest.chunks import Section


@dataclass(frozen=True, kw_only=True)
class StoredSection(Section):
    """A section of the newest version of a document."""

    project_id: str
    document_id: str
    document_version: int
