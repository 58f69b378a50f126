"""The bytes and texts of single tokens."""

from __future__ import annotations

from llguidance import LLTokenizer


class Vocabulary:
    """What the tokens of a model stand for; some are parts of characters, so that only bytes are exact."""

    def __init__(self, tokenizer: LLTokenizer) -> None:
        self._tokenizer = tokenizer

    def raw(self, token: int) -> bytes:
        """The bytes of a token; of a special token its name."""
        found: bytes = self._tokenizer.decode_bytes([token])
        return found

    def text(self, token: int) -> str:
        """The text of a token; bytes that are no character become replacement characters."""
        return self.raw(token).decode("utf-8", "replace")
