"""The reader of HTML."""

from services.ingest.readers.html.reader import read

__all__ = ["read"]
