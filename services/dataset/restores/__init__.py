"""Restores: the examples of a project become again what they are in a version."""
