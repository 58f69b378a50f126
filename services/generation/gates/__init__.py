"""What keeps or rejects what models wrote."""
