"""Benchmarks: questions that nothing trained on may hold, and the search for those that it holds."""
