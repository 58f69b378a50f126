"""Servers of models, their keys and trials."""
