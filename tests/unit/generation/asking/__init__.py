"""Tests of services/generation/asking."""
