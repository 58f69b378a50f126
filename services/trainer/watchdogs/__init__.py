"""What watches an engine: its memory, and whether it gets on."""
