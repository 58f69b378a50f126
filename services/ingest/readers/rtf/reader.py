"""RTF: read by Pandoc, after what it would misread is said in other words."""

from __future__ import annotations

from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.rtf.lists import find_items, join_code
from services.ingest.readers.rtf.notes import put_back
from services.ingest.readers.rtf.source import mended
from services.ingest.readers.shared import ole
from services.ingest.readers.shared.html.markdown import markdown_of
from services.ingest.readers.shared.html.tree import parsed
from services.ingest.readers.shared.images import Images
from services.ingest.readers.shared.pandoc import html_of
from services.runtime.errors import InvalidArgument

BEGINNING = b"{\\rtf"


def read(source: Source) -> Reading:
    """Convert to Markdown.

    Raises:
        InvalidArgument: the file is no RTF or damaged, or holds no text.
    """
    data = source.path.read_bytes()
    start = data[:100].lstrip(b"\xef\xbb\xbf \r\n\t")
    if not start.startswith(BEGINNING):
        what = "a compound file of Office" if data.startswith(ole.MAGIC) else "no RTF"
        raise InvalidArgument(
            "RTF_UNREADABLE",
            f"{source.name}: the RTF file cannot be read (it is {what}); is it wrongly named? Save it as RTF",
            name=source.name,
        )
    images = Images(source.folder)
    page = parsed(html_of(mended(data), "rtf", source, embed=True))
    put_back(page)
    find_items(page)
    join_code(page)
    text = markdown_of(page, images)
    return checked(Reading(text, images=images.placed(text)), source.name)
