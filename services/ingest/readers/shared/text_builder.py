"""A text in the making, which ends early when it grows too long."""

from __future__ import annotations

from services.ingest.readers.reading import Source, text_too_long


class TextBuilder:
    """Pieces of a text.

    Args:
        source: says how long the text may grow.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pieces: list[str] = []
        self.length = 0
        """Characters so far: where the next piece starts."""

    def add(self, piece: str) -> None:
        """Put a piece at the end, with one kind of line end.

        Raises:
            InvalidArgument: the text is too long with it.
        """
        if "\r" in piece:
            # Escapes of JSON and of spreadsheets can write it.
            piece = piece.replace("\r\n", "\n").replace("\r", "\n")
        self.length += len(piece)
        if self.length > self._source.most_chars:
            raise text_too_long(self._source.name, self.length, self._source.most_chars)
        self._pieces.append(piece)

    def add_block(self, block: str) -> int:
        """Put a block at the end, a blank line after what was before; return where it starts.

        Raises:
            InvalidArgument: the text is too long with it.
        """
        if self.length and block:
            self.add("\n" if self._pieces[-1].endswith("\n") else "\n\n")
        start = self.length
        if block:
            self.add(block)
        return start

    def text(self) -> str:
        """The whole, with one line end at its end."""
        whole = "".join(self._pieces).rstrip("\n")
        return whole + "\n" if whole else ""
