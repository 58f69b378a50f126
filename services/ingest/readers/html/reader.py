"""HTML pages: what a person came to read, without menus, banners and forms."""

from __future__ import annotations

import codecs
import contextlib
import re

from services.ingest.readers.html.main import main_content
from services.ingest.readers.html.markdown import markdown_of
from services.ingest.readers.html.tree import parsed
from services.ingest.readers.reading import Reading, Source, checked, normalised
from services.ingest.readers.shared.encodings import decode
from services.ingest.readers.shared.images import Images
from services.runtime.errors import InvalidArgument

DECLARED = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)|encoding=[\"']([\w.:-]+)", re.IGNORECASE
)
MOST_BYTES = 100_000_000
MOST_TAGS = 2_000_000
"""A tree takes about 450 bytes of memory for each."""
HEAD_BYTES = 4096
"""Browsers look for the encoding no further than 1024 bytes; some pages have it behind long comments."""
WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "iso8859-1": "cp1252", "ascii": "cp1252", "big5": "big5hkscs"}
"""What pages call their encoding, and what browsers take it for (WHATWG Encoding)."""
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read(source: Source) -> Reading:
    """Convert the main content to Markdown; a page without `h1` gets its title as one.

    Raises:
        InvalidArgument: no encoding fits, or the page holds no text.
    """
    if source.path.stat().st_size > MOST_BYTES:
        raise too_large(source, f"{source.path.stat().st_size} bytes, at most {MOST_BYTES}")
    page = normalised(decoded(source.path.read_bytes(), source.name))
    if (tags := page.count("<")) > MOST_TAGS:
        raise too_large(source, f"{tags} tags, at most {MOST_TAGS}")
    if "\x00" in page:
        return checked(Reading(page), source.name)
    images = Images(source.folder)
    markdown = markdown_of(main_content(parsed(page)), images)
    return checked(Reading(markdown, images=images.placed(markdown)), source.name)


def decoded(data: bytes, name: str) -> str:
    """Decode by the byte order mark, by what the page says, or by what fits best.

    Raises:
        InvalidArgument: no encoding fits.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    match = DECLARED.search(data[:HEAD_BYTES])
    if match:
        # Pages often declare what they are not; then their bytes decide.
        with contextlib.suppress(LookupError, UnicodeDecodeError):
            encoding = codecs.lookup((match[1] or match[2]).decode("ascii")).name
            return data.decode(WIDER.get(encoding, encoding))
    return decode(data, name)


def too_large(source: Source, what: str) -> InvalidArgument:
    """The error for a page that no memory holds."""
    return InvalidArgument(
        "HTML_TOO_LARGE",
        f"{source.name}: the page has {what} are taken; split it",
        name=source.name,
    )
