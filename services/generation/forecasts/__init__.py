"""What a generation will take."""
