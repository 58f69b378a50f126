"""DOCX: headings, lists and tables as Markdown."""

from __future__ import annotations

import re

from markitdown import StreamInfo
from markitdown.converters import DocxConverter

from services.ingest.readers.reading import Reading, Source, checked, normalised
from services.runtime.errors import InvalidArgument

TRAILING_SPACE = re.compile(r"[^\S\n]+$", re.MULTILINE)
BLANK_LINES = re.compile(r"\n{3,}")


def read(source: Source) -> Reading:
    """Convert to Markdown.

    Raises:
        InvalidArgument: the file is damaged, or holds no text.
    """
    # Not through MarkItDown, which starts a neural network to guess the format that we know.
    converter, name = DocxConverter(), source.name  # type: ignore[no-untyped-call]  # ships no types
    try:
        with source.path.open("rb") as stream:
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
