"""Tests of services/generation/gates."""
