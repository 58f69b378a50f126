"""A run on many devices: who has which rows, what is summed over all, and who writes."""
