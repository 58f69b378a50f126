"""Tests of services/generation/providers."""
