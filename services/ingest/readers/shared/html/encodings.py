"""Encodings of HTML pages, which say what they are in, and are often wrong."""

from __future__ import annotations

import codecs
import contextlib
import re

from services.runtime.encodings import decode_as

DECLARED = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)|encoding=[\"']([\w.:-]+)", re.IGNORECASE
)
HEAD_BYTES = 4096
"""Browsers look for the encoding no further than 1024 bytes; some pages have it behind long comments."""
WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "iso8859-1": "cp1252", "ascii": "cp1252", "big5": "big5hkscs"}
"""What pages call their encoding, and what browsers take it for (WHATWG Encoding)."""
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decoded(data: bytes, name: str) -> str:
    """Decode by the byte order mark, by what the page says, or by what fits best.

    Raises:
        InvalidArgument: no encoding fits.
    """
    return decoded_as(data, name)[0]


def decoded_as(data: bytes, name: str, stated: str = "") -> tuple[str, str]:
    """The text of a page as `decoded` has it, and its encoding; `stated` counts for more than the page.

    Raises:
        InvalidArgument: no encoding fits.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding.removesuffix("-sig")
    if stated:
        return decode_as(data, name, stated)
    match = DECLARED.search(data[:HEAD_BYTES])
    if match:
        # Pages often declare what they are not; then their bytes decide.
        with contextlib.suppress(LookupError, UnicodeDecodeError):
            encoding = codecs.lookup((match[1] or match[2]).decode("ascii")).name
            encoding = WIDER.get(encoding, encoding)
            return data.decode(encoding), encoding
    return decode_as(data, name)
