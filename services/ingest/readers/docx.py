"""DOCX: headings, lists and tables as Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from services.ingest.readers.reading import Reading, checked, normalised
from services.runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from markitdown.converters import DocxConverter

TRAILING_SPACE = re.compile(r"[^\S\n]+$", re.MULTILINE)
BLANK_LINES = re.compile(r"\n{3,}")


def load() -> DocxConverter:
    """A converter; importing it loads half a dozen others, so only a DOCX pays for it."""
    # Not through MarkItDown, which starts a neural network to guess the format that we know.
    from markitdown.converters import DocxConverter  # noqa: PLC0415

    return DocxConverter()  # type: ignore[no-untyped-call]  # ships no types


def read(path: Path, name: str) -> Reading:
    """Convert to Markdown.

    Raises:
        InvalidArgument: the file is damaged, or holds no text.
    """
    converter = load()
    from markitdown import StreamInfo  # noqa: PLC0415

    try:
        with path.open("rb") as stream:
            markdown = normalised(converter.convert(stream, StreamInfo(extension=".docx")).markdown)
    except MemoryError:
        raise
    except Exception as error:
        # Zip, XML and the converters each have their own errors, and all mean the same here.
        raise InvalidArgument(
            "DOCX_UNREADABLE", f"{name}: the DOCX cannot be opened; is it damaged or encrypted?", name=name
        ) from error
    tidy = BLANK_LINES.sub("\n\n", TRAILING_SPACE.sub("", markdown))
    return checked(Reading(tidy.strip() + "\n"), name)
