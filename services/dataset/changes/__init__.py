"""Changes of examples: single ones and many, with what was before; applied generations; undo."""
