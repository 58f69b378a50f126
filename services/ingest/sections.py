"""Sections as they are stored: headings of documents with what stands under them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredSection:
    """A section of the newest version of a document."""

    id: str
    project_id: str
    document_id: str
    document_version: int
    index: int
    parent_id: str | None
    level: int
    title: str
    char_start: int
    char_end: int
    page_start: int
