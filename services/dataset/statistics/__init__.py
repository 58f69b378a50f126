"""What dataset versions are like: statistics for programs, and a page for people."""
