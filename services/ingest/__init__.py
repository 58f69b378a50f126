"""The ingest room: files in; text, chunks and their places out."""
