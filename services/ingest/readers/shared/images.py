"""Pictures of a document: kept as files under their hash, and found again by their references in the text."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from services.ingest.readers.reading import IMAGES, Image

ENDINGS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/tiff": ".tiff",
    "image/webp": ".webp",
    "image/svg+xml": ".svg",
    "image/x-emf": ".emf",
    "image/x-wmf": ".wmf",
}
REFERENCE = re.compile(r"!\[[^\]\n]*\]\(images/([0-9a-f]{16}\.[a-z]+)\)")
NOT_IN_ALT = re.compile(r"[\[\]\n\r\t]+")


class Images:
    """Collects the pictures of one document.

    Args:
        folder: the source's folder; pictures go to `images/` in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / IMAGES
        self._kept: dict[str, tuple[str, int, str]] = {}

    def keep(self, data: bytes, media_type: str, alt: str = "") -> str:
        """Keep a picture; return its Markdown reference, or the alternative text if it is none."""
        words = " ".join(NOT_IN_ALT.sub(" ", alt).split())
        if not data or media_type not in ENDINGS:
            return words
        digest = hashlib.sha256(data).hexdigest()
        name = digest[:16] + ENDINGS[media_type]
        if name not in self._kept:
            self._folder.mkdir(exist_ok=True)
            (self._folder / name).write_bytes(data)
            self._kept[name] = (media_type, len(data), digest)
        return f"![{words}](images/{name})"

    def placed(self, text: str) -> list[Image]:
        """The pictures that a text refers to, by place; a picture may stand at several."""
        if not self._kept:
            return []
        return [
            Image(match[1], *self._kept[match[1]], match.start(), match.end())
            for match in REFERENCE.finditer(text)
            if match[1] in self._kept
        ]
