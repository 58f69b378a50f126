"""What is asked about each section."""
