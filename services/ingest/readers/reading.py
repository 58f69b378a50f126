"""What a reader makes of a file: normalised text and where its pages start."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.runtime.errors import InvalidArgument


@dataclass(frozen=True)
class Reading:
    r"""The text of a document: `\n` line ends, no NUL, not empty.

    Args:
        text: the normalised text; Markdown where the format has structure.
        page_starts: offset of each page's first character; empty where the format has no pages.
    """

    text: str
    page_starts: Sequence[int] = field(default_factory=tuple)

    def page_at(self, place: int) -> int:
        """Number of the page that holds a character, from 1; 0 without pages."""
        return bisect.bisect_right(self.page_starts, place)


Reader = Callable[[Path, str], Reading]
"""Reads the file at a path; the name is for messages."""


def normalised(text: str) -> str:
    """One kind of line end, no byte order mark."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def checked(reading: Reading, name: str) -> Reading:
    """Refuse a reading without text, or with characters that no text has.

    Raises:
        InvalidArgument: the reading is of no use.
    """
    if "\x00" in reading.text:
        raise InvalidArgument(
            "TEXT_BINARY", f"{name}: the file holds NUL characters; it is no text file", name=name
        )
    if not reading.text.strip():
        raise InvalidArgument(
            "TEXT_EMPTY", f"{name}: the file holds no text; nothing can be learned", name=name
        )
    return reading
