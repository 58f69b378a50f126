"""Tests of services/generation/questions."""
