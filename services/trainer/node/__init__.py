"""The machine that trains: what its accelerators say of themselves, and what its software can do."""
