"""Questions that are asked about each chunk."""
