"""Tests of services/generation/sources."""
