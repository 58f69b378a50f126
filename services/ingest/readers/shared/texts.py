"""Text files in any encoding."""

from __future__ import annotations

from pathlib import Path

from services.ingest.readers.reading import Source, normalised, text_too_long
from services.runtime.encodings import decode_as

MOST_BYTES_OF_A_CHARACTER = 4
NEXT_LINE = "\x85"
"""NEL, the line end of mainframes."""


def text_of(source: Source, most_chars: int = 0) -> tuple[str, str]:
    """The text of a text file, decoded and normalised, and the encoding that it was in.

    Args:
        source: the file.
        most_chars: longest text that is taken, if not the source's.

    Raises:
        InvalidArgument: no encoding fits, or the text is too long.
    """
    most_chars = most_chars or source.most_chars
    refuse_large(source.path, source.name, most_chars)
    text, encoding = decode_as(source.path.read_bytes(), source.name, source.options.encoding)
    text = normalised(text).replace(NEXT_LINE, "\n")
    if len(text) > most_chars:
        raise text_too_long(source.name, len(text), most_chars)
    return text, encoding


def refuse_large(path: Path, name: str, most_chars: int) -> None:
    """Refuse a file that no encoding makes short enough, before it is read.

    Raises:
        InvalidArgument: it is too large.
    """
    chars = path.stat().st_size // MOST_BYTES_OF_A_CHARACTER
    if chars > most_chars:
        raise text_too_long(name, chars, most_chars)
