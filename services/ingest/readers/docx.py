"""DOCX: headings, lists and tables as Markdown."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

from services.ingest.readers.reading import Reading, checked, normalised
from services.runtime.errors import InvalidArgument


def read(path: Path, name: str) -> Reading:
    """Convert to Markdown.

    Raises:
        InvalidArgument: the file is damaged, or holds no text.
    """
    # The import loads half a dozen converters; only a DOCX pays for it.
    from markitdown import MarkItDown  # noqa: PLC0415
    from markitdown._exceptions import MarkItDownException  # noqa: PLC0415
    from markitdown.converters import DocxConverter  # noqa: PLC0415

    # With all its converters it would read a damaged DOCX as plain text.
    converter = MarkItDown(enable_builtins=False, enable_plugins=False)
    converter.register_converter(DocxConverter())  # type: ignore[no-untyped-call]  # ships no types
    try:
        markdown = converter.convert_local(path, file_extension=".docx").markdown
    except (MarkItDownException, BadZipFile, KeyError, ValueError) as error:
        raise InvalidArgument(
            "DOCX_UNREADABLE", f"{name}: the DOCX cannot be opened; is it damaged or encrypted?", name=name
        ) from error
    return checked(Reading(normalised(markdown).strip() + "\n"), name)
