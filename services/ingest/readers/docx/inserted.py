"""Files that a DOCX takes into its body as they are (`altChunk`, ISO/IEC 29500-1, 17.17.2), read in place."""

from __future__ import annotations

import email
import email.policy
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.message import EmailMessage
from pathlib import Path, PurePosixPath

from services.ingest.readers.docx.drawings import Drawings
from services.ingest.readers.eml.reader import decoded as part_text
from services.ingest.readers.html.reader import MOST_BYTES, MOST_TAGS, too_large
from services.ingest.readers.reading import IMAGES, Reading, Source, normalised
from services.ingest.readers.rtf.reader import BEGINNING as RTF_BEGINNING
from services.ingest.readers.rtf.reader import read as read_rtf
from services.ingest.readers.shared import archives, markdown, opc
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.encodings import decoded as page_text
from services.ingest.readers.shared.html.images import Fetched
from services.ingest.readers.shared.html.markdown import markdown_of
from services.ingest.readers.shared.html.tree import parsed
from services.ingest.readers.shared.images import Images
from services.ingest.readers.shared.namespaces import R, W
from services.runtime.encodings import decode
from services.runtime.errors import InvalidArgument

ZIP_BEGINNING = b"PK\x03\x04"
MAIL_ENDINGS = {".mht", ".mhtml", ".eml"}
MAIL = re.compile(rb"\s*(?:MIME-Version|From|Content-Type):", re.IGNORECASE)
PAGE_ENDINGS = {".htm", ".html", ".xhtml"}
PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|\?xml)", re.IGNORECASE)
TEXT_ENDINGS = {".txt", ".text"}
NOTE = re.compile(r"^\[\^([^\]\s]+)\]: ", re.MULTILINE)


@dataclass(frozen=True)
class Inserted:
    """The inserted files of one document.

    Args:
        archive: the document.
        links: what its main part refers to, by id.
        source: where the document comes from.
        images: keeps the pictures.
        read_docx: reads one that is a DOCX itself.
    """

    archive: zipfile.ZipFile
    links: opc.Relations
    source: Source
    images: Images
    read_docx: Callable[[Source], Reading]

    def mark(self, body: Element, drawings: Drawings) -> None:
        """Put in the place of each what stands for its text until the rest is Markdown."""
        for number, chunk in enumerate(list(body.iter(f"{W}altChunk")), 1):
            text = apart(self._text(chunk), number)
            if text:
                chunk.addprevious(drawings.keep(text, markdown.cell(text)))
            chunk.getparent().remove(chunk)

    def _text(self, chunk: Element) -> str:
        """The Markdown of a file, or a line that says why there is none."""
        link = self.links.get(chunk.get(f"{R}id", ""))
        path = "" if link is None else link.target
        name = PurePosixPath(path).name or "a file without a name"
        if link is None or link.is_outside or path not in self.archive.NameToInfo:
            return not_read(f"{name}: the file that belongs here is not in the document")
        try:
            return self._read(archives.read(self.archive, path, self.source), name).strip("\n")
        except InvalidArgument as error:
            return "" if error.reason == "TEXT_EMPTY" else not_read(error.message)

    def _read(self, data: bytes, name: str) -> str:
        """The Markdown of a file by what its bytes, or else its name, say it is.

        Raises:
            InvalidArgument: it cannot be read.
        """
        ending = PurePosixPath(name).suffix.lower()
        source = replace(self.source, name=name)
        if data.startswith(ZIP_BEGINNING):
            return self._read_file(data, source, self.read_docx)
        if data.lstrip()[: len(RTF_BEGINNING)] == RTF_BEGINNING:
            return self._read_file(data, replace(source, media_type="application/rtf"), read_rtf)
        if ending in MAIL_ENDINGS or MAIL.match(data):
            return self._read_mail(data, source)
        if ending in PAGE_ENDINGS or PAGE.match(data):
            return self._read_page(page_text(data, name), source, {})
        if ending in TEXT_ENDINGS:
            return markdown.paragraph(normalised(decode(data, name)))
        raise InvalidArgument(
            "FORMAT_UNSUPPORTED", f"{name}: an inserted file of this kind is not read", name=name
        )

    def _read_file(self, data: bytes, source: Source, read: Callable[[Source], Reading]) -> str:
        """Let a reader read a file in a folder of its own, and take over the pictures that it kept."""
        with tempfile.TemporaryDirectory(dir=self.source.folder) as place:
            folder = Path(place)
            path = folder / "file"
            path.write_bytes(data)
            reading = read(replace(source, path=path, folder=folder))
            for image in reading.images:
                self.images.keep((folder / IMAGES / image.name).read_bytes(), image.media_type)
        return reading.text

    def _read_page(self, page: str, source: Source, pictures: Mapping[str, Fetched]) -> str:
        """The Markdown of a whole page: nothing in it is a menu."""
        if len(page) > MOST_BYTES or page.count("<") > MOST_TAGS:
            raise too_large(source, f"more than {MOST_BYTES} characters or {MOST_TAGS} tags, which")
        return markdown_of(parsed(normalised(page).replace("\x00", "")), self.images, pictures.get)

    def _read_mail(self, data: bytes, source: Source) -> str:
        """The Markdown of a page that was saved with its pictures as a mail (RFC 2557)."""
        try:
            message = email.message_from_bytes(data.lstrip(), policy=email.policy.default)
            parts = [part for part in message.walk() if not part.is_multipart()]
            kinds = [part.get_content_type() for part in parts]
            wanted = next((kind for kind in ("text/html", "text/plain") if kind in kinds), None)
            pictures = dict(found for part in parts for found in named(part))
        except (MemoryError, InvalidArgument):
            raise
        except Exception as error:
            # The parser of the standard library fails on broken heads in a dozen ways.
            raise damaged(source, str(error)) from error
        if wanted is None:
            raise damaged(source, "it holds no page")
        text = part_text(parts[kinds.index(wanted)], source)
        return self._read_page(text, source, pictures) if wanted == "text/html" else markdown.paragraph(text)


def named(part: EmailMessage) -> list[tuple[str, Fetched]]:
    """A picture of a mail by the addresses that a page may call it."""
    data = part.get_payload(decode=True)
    if part.get_content_maintype() != "image" or not isinstance(data, bytes):
        return []
    mark, place = str(part.get("Content-ID", "")).strip(" <>"), str(part.get("Content-Location", "")).strip()
    fetched = Fetched(data, part.get_content_type())
    # Pages name a picture in full, or from the folder that they share with it.
    shorter = place.split("/")[-2:]
    names = [f"cid:{mark}" if mark else "", place, "/".join(shorter), shorter[-1]]
    return [(name, fetched) for name in names if name]


def apart(text: str, number: int) -> str:
    """A text whose footnotes are unlike those of the document around it."""
    for label in set(NOTE.findall(text)):
        text = text.replace(f"[^{label}]", f"[^inserted-{number}-{label}]")
    return text


def not_read(why: str) -> str:
    """The line that stands where a file could not be read."""
    return markdown.paragraph(f"[Not read: {' '.join(why.split())}]")


def damaged(source: Source, why: str) -> InvalidArgument:
    """The error for a saved page that cannot be read."""
    return InvalidArgument(
        "EML_UNREADABLE", f"{source.name}: the saved page cannot be read ({why})", name=source.name
    )
