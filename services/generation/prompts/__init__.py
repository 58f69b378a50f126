"""What models are asked: built-in prompts and projects' own."""
