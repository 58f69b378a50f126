"""Tests of services/generation/forecasts."""
