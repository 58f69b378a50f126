"""Calls to language models: who may call when, how a call is made, and what comes out of an answer."""
