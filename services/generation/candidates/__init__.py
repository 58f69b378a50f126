"""What generations write beside questions."""
