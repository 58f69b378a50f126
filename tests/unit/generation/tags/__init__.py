"""Tests of services/generation/tags."""
