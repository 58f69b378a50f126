"""Readers: one a format, behind one small interface. A new format is one file and one line here."""

from __future__ import annotations

from pathlib import Path

from services.ingest.readers import docx, pdf, text
from services.ingest.readers.reading import Reader, Reading

READERS: dict[str, Reader] = {
    "text/markdown": text.read,
    "text/plain": text.read,
    "application/pdf": pdf.read,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": docx.read,
}

__all__ = ["READERS", "Reader", "Reading", "prepare", "read_document"]


def prepare(media_type: str) -> None:
    """Load what the reader of a media type needs; processes forked after it need not."""
    if READERS[media_type] is docx.read:
        docx.load()


def read_document(path: Path, media_type: str, name: str) -> Reading:
    """Read a file of a known media type.

    Raises:
        InvalidArgument: the file cannot be read, or holds no text; the message names it.
    """
    return READERS[media_type](path, name)
