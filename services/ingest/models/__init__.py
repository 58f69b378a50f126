"""Models behind servers: how they are asked, tried again, and never asked twice for the same."""
