"""The trainer room: base models, training runs, and the adapters that they make."""
