"""The reader of DOCX."""

from services.ingest.readers.docx.reader import read

__all__ = ["read"]
