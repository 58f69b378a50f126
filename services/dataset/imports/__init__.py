"""Imports: examples made of what other rooms, and other programs, have."""
