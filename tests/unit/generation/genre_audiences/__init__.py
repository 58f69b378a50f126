"""Tests of services/generation/genre_audiences."""
