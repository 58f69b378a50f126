"""The reader of XLSX."""

from services.ingest.readers.xlsx.reader import read

__all__ = ["read"]
