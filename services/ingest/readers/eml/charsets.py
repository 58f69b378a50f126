"""What mails say of their charset, and how far it is to be believed."""

from __future__ import annotations

import codecs

from services.ingest.readers.shared.html.encodings import WIDER
from services.runtime.encodings import as_utf8

SINGLE_BYTE = ("iso8859", "cp125", "latin", "mac", "koi8")
"""Names of charsets in which any bytes are some text, UTF-8 too."""


def declared(data: bytes, charset: str | None) -> str | None:
    """The text of some bytes by the charset that they are said to be in; none if that cannot be."""
    try:
        encoding = codecs.lookup(charset or "utf-8").name
    except LookupError:
        return None
    if not data.isascii():
        # Programs that write UTF-8 often keep the charset of an old template.
        doubtful = encoding == "ascii" or encoding.startswith(SINGLE_BYTE)
        text = as_utf8(data) if doubtful else None
        if text is not None:
            return text
        if encoding == "ascii":
            return None
    try:
        return data.decode(WIDER.get(encoding, encoding))
    except (LookupError, UnicodeDecodeError):
        return None
