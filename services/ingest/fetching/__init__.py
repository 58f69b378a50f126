"""Fetching: documents by URL, and only from where the operator allows."""
