"""HTML pages: what a person came to read, without menus, banners and forms."""

from __future__ import annotations

from services.ingest.readers.html.main import main_content
from services.ingest.readers.reading import Reading, Source, checked, normalised
from services.ingest.readers.shared.html.encodings import decoded_as
from services.ingest.readers.shared.html.markdown import markdown_of
from services.ingest.readers.shared.html.tree import parsed
from services.ingest.readers.shared.images import Images
from services.runtime.errors import InvalidArgument

MOST_BYTES = 100_000_000
MOST_TAGS = 1_500_000
"""A tree takes about 300 bytes of memory for each; all must fit into what one parse may hold."""


def read(source: Source) -> Reading:
    """Convert the main content to Markdown; a page without `h1` gets its title as one.

    Raises:
        InvalidArgument: no encoding fits, or the page holds no text.
    """
    if source.path.stat().st_size > MOST_BYTES:
        raise too_large(source, f"{source.path.stat().st_size} bytes, at most {MOST_BYTES}")
    page, encoding = decoded_as(source.path.read_bytes(), source.name, source.options.encoding)
    page = normalised(page)
    if (tags := page.count("<")) > MOST_TAGS:
        raise too_large(source, f"{tags} tags, at most {MOST_TAGS}")
    if "\x00" in page:
        return checked(Reading(page), source.name)
    images = Images(source.folder)
    markdown = markdown_of(main_content(parsed(page)), images)
    return checked(Reading(markdown, images=images.placed(markdown), encoding=encoding), source.name)


def too_large(source: Source, what: str) -> InvalidArgument:
    """The error for a page that no memory holds."""
    return InvalidArgument(
        "HTML_TOO_LARGE",
        f"{source.name}: the page has {what} are taken; split it",
        name=source.name,
    )
