"""Tests of services/generation/regeneration."""
