"""Generations: what is written, with which options."""
