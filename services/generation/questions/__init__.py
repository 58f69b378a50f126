"""Questions and their answers: what is asked for, and how it is read."""
