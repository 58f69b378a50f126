"""In whose voice is asked."""
