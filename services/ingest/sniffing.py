"""Wrongly named files: what the first bytes of a file say that it is, held against its name."""

from __future__ import annotations

import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

from services.ingest.formats import BY_MEDIA_TYPE, OFFICE, OPEN_DOCUMENT
from services.ingest.readers.shared import ole
from services.runtime.errors import InvalidArgument

HEAD_BYTES = 4096
TAIL_BYTES = 2048
PART_BYTES = 1 << 20
"""How much is read of a part of a zip that tells its kind."""
WORD = f"{OFFICE}.wordprocessingml.document"
SLIDES = f"{OFFICE}.presentationml.presentation"
SHEETS = f"{OFFICE}.spreadsheetml.sheet"
TEXT_TYPES = {"text/plain", "text/markdown"}


@dataclass(frozen=True)
class Kind:
    """What a file is.

    Args:
        what: in words, with article.
        advice: what to do with a file of this kind.
        media_type: of files of this kind, where the room reads them.
    """

    what: str
    advice: str
    media_type: str = ""


def named(what: str, ending: str, media_type: str) -> Kind:
    """A kind that the room reads under another name."""
    return Kind(what, f"rename it to {ending}", media_type)


def saved(what: str, ending: str) -> Kind:
    """A kind that must become another first."""
    return Kind(what, f"save it as {ending}")


PDF = named("a PDF", ".pdf", "application/pdf")
RTF = named("an RTF document", ".rtf", "application/rtf")
ZIP = named("a zip archive", ".zip", "application/zip")
DOCX = named("a Word document", ".docx", WORD)
PPTX = named("a PowerPoint presentation", ".pptx", SLIDES)
XLSX = named("an Excel workbook", ".xlsx", SHEETS)
EPUB = named("an EPUB book", ".epub", "application/epub+zip")
ODT = named("an OpenDocument text", ".odt", f"{OPEN_DOCUMENT}.text")
TORN_ZIP = Kind("a zip archive that is cut off or damaged", "send the whole file, under its right ending")
OTHER_OLE = Kind("an old Office file", "save it in a newer format, such as .docx, .xlsx or .pptx")
HTML = named("an HTML page", ".html", "text/html")
PLAIN = named("plain text", ".txt", "text/plain")
LOCKED = Kind("an encrypted Office file", "save it without a password, under its right ending")
IMAGE = "put it into a PDF or a document, whose pictures are read"
PROGRAM = Kind("a program", "leave it out")
MEDIA = Kind("sound or video", "write down what is said, as text")
PACKED = "unpack it, and send what is in it, or a .zip"

BY_START = (
    (b"\x89PNG\r\n\x1a\n", Kind("a PNG picture", IMAGE)),
    (b"\xff\xd8\xff", Kind("a JPEG picture", IMAGE)),
    (b"GIF87a", Kind("a GIF picture", IMAGE)),
    (b"GIF89a", Kind("a GIF picture", IMAGE)),
    (b"II*\x00", Kind("a TIFF picture", IMAGE)),
    (b"MM\x00*", Kind("a TIFF picture", IMAGE)),
    (b"\x7fELF", PROGRAM),
    (b"\xca\xfe\xba\xbe", PROGRAM),
    (b"\xcf\xfa\xed\xfe", PROGRAM),
    (b"\xce\xfa\xed\xfe", PROGRAM),
    (b"\x1f\x8b\x08", Kind("a gzip archive", PACKED)),
    (b"BZh91AY&SY", Kind("a bzip2 archive", PACKED)),
    (b"\xfd7zXZ\x00", Kind("an xz archive", PACKED)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", PACKED)),
    (b"Rar!\x1a\x07", Kind("a RAR archive", PACKED)),
    (b"SQLite format 3\x00", Kind("an SQLite database", "export its tables as .csv")),
    (b"PAR1", Kind("a Parquet table", "export it as .csv or .jsonl")),
    (b"OggS\x00", MEDIA),
    (b"ID3\x03\x00", MEDIA),
    (b"ID3\x04\x00", MEDIA),
    (b"fLaC\x00", MEDIA),
    (b"\x1aE\xdf\xa3", MEDIA),
)
BY_STREAM = {
    ole.ENCRYPTED: LOCKED,
    "WordDocument": saved("an old Word document (.doc)", ".docx"),
    "PowerPoint Document": saved("an old PowerPoint presentation (.ppt)", ".pptx"),
    "Workbook": saved("an old Excel workbook (.xls)", ".xlsx"),
    "Book": saved("an old Excel workbook (.xls)", ".xlsx"),
    "__properties_version1.0": saved("an Outlook message (.msg)", ".eml"),
}
MAIN_PART = re.compile(rb"[\w.-]+\.main\b")
"""Content type of the part that the document starts with; embedded files have others."""
BY_MAIN_PART = (
    (b"ms-excel.sheet.binary", saved("a binary Excel workbook (.xlsb)", ".xlsx")),
    (b"wordprocessingml", DOCX),
    (b"ms-word", DOCX),
    (b"presentationml", PPTX),
    (b"ms-powerpoint", PPTX),
    (b"spreadsheetml", XLSX),
    (b"ms-excel", XLSX),
)
BY_MIMETYPE = {
    b"application/epub+zip": EPUB,
    b"application/vnd.oasis.opendocument.text": ODT,
    b"application/vnd.oasis.opendocument.spreadsheet": saved("an OpenDocument sheet (.ods)", ".xlsx"),
    b"application/vnd.oasis.opendocument.presentation": saved("an OpenDocument show (.odp)", ".pptx"),
}
BY_FOLDER = (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX))
ZIPPED = {WORD, SLIDES, SHEETS, EPUB.media_type, ODT.media_type, ZIP.media_type}
BINARY = ZIPPED | {PDF.media_type, RTF.media_type}
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that binary files have soon, and no text in an encoding that is not UTF-16 or UTF-32."""


def check_content(path: Path, media_type: str, name: str) -> None:
    """Refuse an empty file, and one that its first bytes show to be no such file as its name says.

    A file that they do not show to be another is left to its reader.

    Raises:
        InvalidArgument: the file is empty, or of another kind.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        raise InvalidArgument("FILE_EMPTY", f"{name}: the file is empty; send it again", name=name)
    kind = binary_kind(path, head, media_type) if media_type in BINARY else text_kind(path, head, media_type)
    if kind is None or kind.media_type == media_type:
        return
    endings = BY_MEDIA_TYPE[media_type].endings
    ending = next((one for one in endings if name.lower().endswith(one)), endings[0])
    raise InvalidArgument(
        "FORMAT_MISMATCH",
        f"{name}: the file is named as {ending}, but holds {kind.what}; {kind.advice}",
        name=name,
        holds=kind.what,
    )


def binary_kind(path: Path, head: bytes, media_type: str) -> Kind | None:
    """What a file is that should be a document; nothing where its reader can say better what is wrong."""
    if media_type == PDF.media_type and b"%PDF-" in head[:1024]:
        return PDF
    kind = kind_of(path, head)
    # An encrypted document is rightly named, and so may be a damaged one.
    if kind is LOCKED and media_type in {WORD, SLIDES, SHEETS}:
        return None
    if kind is TORN_ZIP and media_type in ZIPPED:
        return None
    return kind or markup_kind(head)


def markup_kind(head: bytes) -> Kind | None:
    """What a text is that should be a document."""
    if head.startswith(b"{\\rtf"):
        return RTF
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return HTML
    return PLAIN if is_plain(head) else None


def text_kind(path: Path, head: bytes, media_type: str) -> Kind | None:
    """What a file is that should be text, but is none."""
    if media_type in TEXT_TYPES and head.startswith(b"{\\rtf1"):
        return RTF
    # A text may begin with the letters of a magic number.
    if not CONTROL.search(head) and not (head.startswith(b"%PDF-") and ends_as_pdf(path)):
        return None
    return kind_of(path, head)


def kind_of(path: Path, head: bytes) -> Kind | None:
    """What the first bytes of a binary file say that it is."""
    if head.startswith(b"%PDF-"):
        return PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK")):
        return kind_of_zip(path)
    if head.startswith(ole.MAGIC):
        return BY_STREAM.get(ole.stream_in(path, BY_STREAM) or "", OTHER_OLE)
    for start, kind in BY_START:
        if head.startswith(start):
            return kind
    return kind_by_structure(head)


def kind_by_structure(head: bytes) -> Kind | None:
    """What marks within the first bytes say that a file is."""
    if head[:2] == b"MZ" and len(head) >= 64:
        place = struct.unpack_from("<I", head, 60)[0]
        return PROGRAM if head[place : place + 4] == b"PE\x00\x00" else None
    if head[:4] == b"RIFF":
        return Kind("a WebP picture", IMAGE) if head[8:12] == b"WEBP" else MEDIA
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return Kind("a BMP picture", IMAGE)
    if head[4:8] == b"ftyp":
        return Kind("a HEIC picture", IMAGE) if head[8:11] in {b"hei", b"mif", b"avi"} else MEDIA
    return Kind("a tar archive", PACKED) if head[257:262] == b"ustar" else None


def kind_of_zip(path: Path) -> Kind:
    """What a zip-based file is by what is in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return kind_of_parts(archive)
    except MemoryError:
        raise
    except Exception:
        # A damaged archive ends in any of a dozen errors.
        return TORN_ZIP


def kind_of_parts(archive: zipfile.ZipFile) -> Kind:
    """What an archive is by its parts."""
    names = set(archive.namelist())
    mimetype = start_of(archive, "mimetype").strip() if "mimetype" in names else b""
    if mimetype in BY_MIMETYPE:
        return BY_MIMETYPE[mimetype]
    if "META-INF/container.xml" in names:
        return EPUB
    if "[Content_Types].xml" not in names:
        return ZIP
    types = b" ".join(MAIN_PART.findall(start_of(archive, "[Content_Types].xml")))
    for mark, kind in BY_MAIN_PART:
        if mark in types:
            return kind
    return next((kind for start, kind in BY_FOLDER if any(one.startswith(start) for one in names)), ZIP)


def start_of(archive: zipfile.ZipFile, name: str) -> bytes:
    """The first bytes of a part."""
    with archive.open(name) as stream:
        return stream.read(PART_BYTES)


def is_plain(head: bytes) -> bool:
    """Whether bytes are text beyond doubt; the last character may be cut off."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if CONTROL.search(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) == HEAD_BYTES and error.start > HEAD_BYTES - 4
    return True


def ends_as_pdf(path: Path) -> bool:
    """Whether a file has the last line of a PDF."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return b"%%EOF" in stream.read()
