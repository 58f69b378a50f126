"""Pages that others have turned into Markdown before: a vision model, or MinerU.

They lie in the source's folder as `transcripts/NNNN.md`, one for each page, and their pictures in
`transcripts/images/`.
"""

from __future__ import annotations

import re

from services.ingest.readers.pdf.text import UNFIT
from services.ingest.readers.reading import Source, normalised
from services.ingest.readers.shared.images import ENDINGS, Images
from services.ingest.transcribing.transcripts import FOLDER, path_of
from services.runtime.errors import FailedPrecondition

TYPES = {ending: media_type for media_type, ending in ENDINGS.items()} | {".jpeg": "image/jpeg"}
PICTURE = re.compile(r"!\[([^\]\n]*)\]\((?:\./)?images/([^)\s/]+)\)")


def transcript(source: Source, number: int, reader: str, images: Images) -> str:
    """The Markdown of a page.

    Raises:
        FailedPrecondition: the page was not transcribed.
    """
    path = path_of(source.folder, number)
    if not path.is_file():
        if reader == "mineru" and any(path.parent.glob("*.md")):
            # It names only pages that hold something.
            return ""
        raise FailedPrecondition(
            "PAGE_NOT_TRANSCRIBED",
            f"{source.name}: page {number} was to be read by `{reader}`, but there is no transcript of it; "
            "parse the document again",
            name=source.name,
            page=str(number),
            reader=reader,
        )
    text = UNFIT.sub("", normalised(path.read_text(encoding="utf-8", errors="replace")))

    def kept(match: re.Match[str]) -> str:
        file = source.folder / FOLDER / "images" / match[2]
        media_type = TYPES.get(file.suffix.lower(), "")
        if not file.is_file() or file.is_symlink():
            return match[1]
        return images.keep(file.read_bytes(), media_type, match[1])

    return PICTURE.sub(kept, text).strip()
