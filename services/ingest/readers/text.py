"""Markdown and plain text in any encoding."""

from __future__ import annotations

from charset_normalizer import from_bytes

from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.readers.reading import Reading, Source, checked, normalised
from services.runtime.errors import InvalidArgument


def read(source: Source) -> Reading:
    """Decode and normalise.

    Raises:
        InvalidArgument: no encoding fits, or the file holds no text.
    """
    text = normalised(decode(source.path.read_bytes(), source.name))
    return checked(Reading(text, syntax=BY_MEDIA_TYPE[source.media_type].syntax), source.name)


def decode(data: bytes, name: str) -> str:
    """UTF-8 if it is; otherwise the encoding that fits best."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = from_bytes(data).best()
    if best is None:
        raise InvalidArgument(
            "ENCODING_UNKNOWN", f"{name}: the text encoding cannot be told; save the file as UTF-8", name=name
        )
    return str(best)
