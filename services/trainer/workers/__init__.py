"""Workers: which processes train, and on what."""
