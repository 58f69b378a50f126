"""Servers and helpers that tests use."""
