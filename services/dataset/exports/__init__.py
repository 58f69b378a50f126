"""Exports: what a dataset version holds, as files that other programs read."""
