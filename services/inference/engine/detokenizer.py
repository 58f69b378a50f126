"""Tokens to text as they come: whole characters only, ended by stop strings."""

from __future__ import annotations

from tokenizers import Tokenizer

_BROKEN = "\N{REPLACEMENT CHARACTER}"


class Detokenizer:
    """The text of one completion.

    Holds back what may still change: bytes of an unfinished character, and the beginning of a stop string.
    """

    def __init__(self, tokenizer: Tokenizer, stop: tuple[str, ...]) -> None:
        self.stopped = False
        self._tokenizer = tokenizer
        self._stop = stop
        self._ids: list[int] = []
        self._context = 0
        self._decoded = 0
        self._held = ""

    def push(self, token: int) -> str:
        """Add a token; return the text that is now certain."""
        self._ids.append(token)
        # Some tokenizers decode a token by its predecessor, so the last decoded ones are decoded again.
        before = self._decode(self._context, self._decoded)
        after = self._decode(self._context, len(self._ids))
        if after.endswith(_BROKEN) or len(after) <= len(before):
            return ""
        self._context, self._decoded = self._decoded, len(self._ids)
        return self._release(after[len(before) :])

    def finish(self) -> str:
        """Return the text held back; to be called once, after the last token."""
        before = self._decode(self._context, self._decoded)
        rest = self._release(self._decode(self._context, len(self._ids))[len(before) :])
        return rest if self.stopped else rest + self._held

    def _decode(self, start: int, end: int) -> str:
        return self._tokenizer.decode(self._ids[start:end], skip_special_tokens=True)

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` with which `stop` begins."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if stop.startswith(text[-size:])), 0)
