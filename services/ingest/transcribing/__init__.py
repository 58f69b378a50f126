"""Transcribing: pages as Markdown by servers, a vision model or MinerU."""
