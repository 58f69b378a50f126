"""Chunks and sections, as the ingest room gives them, and what became of them."""
