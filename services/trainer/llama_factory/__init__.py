"""LLaMA-Factory's arguments: read, understood and told in our own."""
