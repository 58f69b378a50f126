"""The reader of PPTX."""

from services.ingest.readers.pptx.reader import read

__all__ = ["read"]
