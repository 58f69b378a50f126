"""Leak checks: searches for examples that hold questions of benchmarks or exams."""
