"""What a language model is asked to write: one module a kind of generation, with the items of its work."""
