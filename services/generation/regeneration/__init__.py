"""What is regenerated."""
