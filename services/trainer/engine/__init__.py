"""The training program: a spec file in, events, checkpoints and an adapter out. `__main__` starts it."""
