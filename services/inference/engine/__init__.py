"""The built-in model server: a program of its own that speaks the OpenAI HTTP protocol."""
