"""Embeddings of texts for other rooms, remembered by project."""
