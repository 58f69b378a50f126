"""Readers: one module a format, each with a function `read`; `formats.py` says which reads what."""

from __future__ import annotations

from importlib import import_module

from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.readers.reading import Reader, Reading, ReadOptions, Source

__all__ = ["ReadOptions", "Reader", "Reading", "Source", "read_document", "reader_of"]


def reader_of(media_type: str) -> Reader:
    """The reader of a media type, loaded; processes forked after it need not load it."""
    reader: Reader = import_module(f"{__name__}.{BY_MEDIA_TYPE[media_type].reader}").read
    return reader


def read_document(source: Source) -> Reading:
    """Read a file.

    Raises:
        InvalidArgument: the file cannot be read, or holds no text; the message names it.
    """
    return reader_of(source.media_type)(source)
