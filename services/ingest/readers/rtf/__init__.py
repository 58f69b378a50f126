"""The reader of RTF."""

from services.ingest.readers.rtf.reader import read

__all__ = ["read"]
