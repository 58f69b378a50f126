"""Markdown and plain text in any encoding."""

from __future__ import annotations

from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared.texts import text_of


def read(source: Source) -> Reading:
    """Decode and normalise.

    Raises:
        InvalidArgument: no encoding fits, or the file holds no text, or too much.
    """
    return checked(Reading(text_of(source), syntax=BY_MEDIA_TYPE[source.media_type].syntax), source.name)
