"""The reader of PDF."""

from services.ingest.readers.pdf.reader import read

__all__ = ["read"]
