"""Tests of services/generation/candidates."""
