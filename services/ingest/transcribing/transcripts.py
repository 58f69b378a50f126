"""Transcripts of pages in the folder of a parse: the room lays them there, the reader of PDFs finds them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

FOLDER = "transcripts"


def path_of(folder: Path, number: int) -> Path:
    """The file of a page's transcript, in the folder of a source."""
    return folder / FOLDER / f"{number:04}.md"


def write_transcripts(folder: Path, pages: Iterable[tuple[int, str]], images: dict[str, bytes]) -> None:
    """Lay transcripts into the folder of a source, where the reader finds them.

    Args:
        folder: the source's folder.
        pages: number from 1 and Markdown of each page.
        images: bytes by file name, which the Markdown calls `images/<name>`.
    """
    target = folder / FOLDER / "images"
    target.mkdir(parents=True, exist_ok=True)
    for name, data in images.items():
        if Path(name).name == name:
            (target / name).write_bytes(data)
    for number, text in pages:
        path_of(folder, number).write_text(text, encoding="utf-8", errors="replace", newline="")
