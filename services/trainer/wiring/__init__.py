"""How the room is put together: what its server and its worker share, and what is of either alone."""
