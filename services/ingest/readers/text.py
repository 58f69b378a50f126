"""Markdown and plain text in any encoding."""

from __future__ import annotations

import re

from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared.texts import text_of

FORM_FEEDS = re.compile(r"(?<=\n)\f+")


def read(source: Source) -> Reading:
    """Decode and normalise; form feeds that begin a line part the pages of plain text.

    Raises:
        InvalidArgument: no encoding fits, or the file holds no text, or too much.
    """
    text, encoding = text_of(source)
    syntax = BY_MEDIA_TYPE[source.media_type].syntax
    starts = page_starts_of(text) if syntax == "plain" else ()
    return checked(Reading(text, starts, syntax=syntax, encoding=encoding), source.name)


def page_starts_of(text: str) -> tuple[int, ...]:
    """Where the pages of a plain text start: at form feeds that begin a line; none without any.

    A page starts with its form feed, as its first line does. One at either end of the text parts nothing.
    """
    end = len(text.rstrip())
    places = [place for feeds in FORM_FEEDS.finditer(text, 0, end) for place in range(*feeds.span())]
    return (0, *places) if places else ()
