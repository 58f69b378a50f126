"""Tests of Sishu."""
