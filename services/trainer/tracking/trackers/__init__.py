"""Tells an experiment tracker of a run: a program of its own, in a Python that has the tracker's library.

A tracker may be slow, broken or not installed, and need other versions of libraries than the service: the run
goes on all the same. It reads the engine's events, as the service does.
"""
