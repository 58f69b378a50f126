"""Tests of services/generation/coverage."""
