"""The Python client of Sishu: generated contracts, a typed client, and the `sishu` command."""
