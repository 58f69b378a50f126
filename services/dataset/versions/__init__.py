"""Dataset versions: immutable sets of examples, and the files that hold them."""
