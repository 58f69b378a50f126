"""The reader of mail."""

from services.ingest.readers.eml.reader import read

__all__ = ["read"]
