"""The reader of ODT."""

from services.ingest.readers.odt.reader import read

__all__ = ["read"]
