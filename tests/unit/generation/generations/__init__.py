"""Tests of services/generation/generations."""
