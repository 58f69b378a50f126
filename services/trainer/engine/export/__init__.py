"""Whole models as other programs take them: a GGUF file, and what Ollama needs beside it."""
