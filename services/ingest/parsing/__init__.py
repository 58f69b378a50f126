"""Parsing: from the file of a document to its text and chunks, in child processes."""
