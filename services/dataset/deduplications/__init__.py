"""Deduplications: searches for examples that say the same, and what becomes of these."""
