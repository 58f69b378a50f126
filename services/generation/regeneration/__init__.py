"""What is written anew."""
