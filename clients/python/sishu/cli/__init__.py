"""The `sishu` command: a client of the API like any other."""
