"""What a reader takes and makes: a file goes in; normalised text and its places come out."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from services.ingest.outline import Layout, layout_of
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.failures import Failure

IMAGES, MEMBERS = "images", "members"
"""Folders that readers write, in that of their source."""


@dataclass(frozen=True)
class ReadOptions:
    """How to read PDF pages (`auto`, `text`, `ocr`, `vision` or `mineru`) and text files.

    Args:
        page_reader: for all pages; `auto` takes the text layer where a page has one, and OCR elsewhere.
        page_readers: another choice for single pages, by page number from 1.
        encoding: that of text files, by a name that Python knows; empty: found from the bytes.
    """

    page_reader: str = "auto"
    page_readers: Mapping[int, str] = field(default_factory=dict)
    encoding: str = ""


@dataclass(frozen=True)
class Source:
    """A file to read.

    Args:
        path: the file.
        name: name of the document, for messages.
        media_type: its media type, one of `FORMATS`.
        folder: where the reader may write: `images/`, `members/`; also holds what was prepared for it.
        most_chars: longest text that is taken.
        options: how to read it.
        alive: to be called after each page of many: the time that reading may take starts anew.
        seconds: time that reading it, or one of its pages, may take.
        memory_bytes: data that reading it may hold in memory.
    """

    path: Path
    name: str
    media_type: str
    folder: Path
    most_chars: int = 20_000_000
    options: ReadOptions = field(default_factory=ReadOptions)
    alive: Callable[[], None] = lambda: None
    seconds: float = 300.0
    memory_bytes: int = 1 << 30


@dataclass(frozen=True)
class Image:
    """A picture of a document; its bytes are the file `images/<name>` in the source's folder.

    Args:
        name: first 16 hex digits of the SHA-256 of its bytes, and its ending: `0123456789abcdef.png`.
        media_type: such as `image/png`.
        size_bytes: its size.
        sha256: of its bytes.
        char_start: where its Markdown reference `![alt](images/<name>)` starts in the text.
        char_end: one past the reference.
    """

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    char_start: int
    char_end: int


@dataclass(frozen=True)
class Member:
    """A file inside a file (of an archive, an attachment); its bytes are the file `members/<file>`.

    Args:
        name: its relative path with `/`, checked by `check_name`.
        file: name of the file in the folder.
        refusal: why it is not to be read, whatever its bytes.
    """

    name: str
    file: str
    refusal: Failure | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Member:
        """The member of a stored form, as `dataclasses.asdict` makes it."""
        refusal = stored["refusal"]
        return cls(stored["name"], stored["file"], Failure(**refusal) if refusal else None)


@dataclass(frozen=True)
class Reading:
    r"""The text of a document: `\n` line ends, no NUL, no lone surrogates; empty only beside members.

    Args:
        text: the normalised text.
        page_starts: offset of each page's first character; empty where the format has no pages.
        row_starts: offset of each row of the tables of a spreadsheet, CSV or record list; else empty.
        syntax: what the text is: `markdown`, `plain`, or a programming language.
        images: its pictures, by place.
        members: files inside it that are documents of their own.
        encoding: in which the bytes of a text file were read; empty for other files.
    """

    text: str
    page_starts: Sequence[int] = ()
    row_starts: Sequence[int] = ()
    syntax: str = "markdown"
    images: Sequence[Image] = ()
    members: Sequence[Member] = ()
    encoding: str = ""

    @cached_property
    def layout(self) -> Layout:
        """What a text that is no source code is made of, and where it may be cut."""
        return layout_of(self.text, self.syntax)

    def page_at(self, place: int) -> int:
        """Number of the page that holds a character, from 1; 0 without pages."""
        return bisect.bisect_right(self.page_starts, place)


Reader = Callable[[Source], Reading]
"""The function `read` of each module of this package that a format names."""


def normalised(text: str) -> str:
    """One kind of line end, no byte order mark."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def checked(reading: Reading, name: str) -> Reading:
    """Refuse a reading without text, or with characters that no text has.

    Raises:
        InvalidArgument: the reading is of no use.
    """
    nul = reading.text.find("\x00")
    if nul >= 0:
        raise InvalidArgument(
            "TEXT_BINARY",
            f"{name}: character {nul} of the file is NUL; it is no text file: save it as text, or leave it "
            "out",
            name=name,
            offset=str(nul),
        )
    if not reading.text.strip() and not reading.members:
        raise InvalidArgument(
            "TEXT_EMPTY",
            f"{name}: the file holds no text; nothing can be learned from it: leave it out",
            name=name,
        )
    return reading


def text_too_long(name: str, chars: int, most_chars: int) -> InvalidArgument:
    """The error for a document with too much text."""
    return InvalidArgument(
        "TEXT_TOO_LARGE",
        f"{name}: its text has {chars} characters or more, at most {most_chars} are taken; split the file, "
        "or raise SISHU_INGEST_MOST_CHARS",
        name=name,
        chars=str(chars),
        most_chars=str(most_chars),
    )


def timed_out(name: str, seconds: float) -> FailedPrecondition:
    """The error for a document that takes too long."""
    return FailedPrecondition(
        "PARSE_TIMED_OUT",
        f"{name}: parsing took longer than {seconds:g} s; split the file, or raise "
        "SISHU_INGEST_PARSE_SECONDS",
        name=name,
        seconds=f"{seconds:g}",
    )


def out_of_memory(name: str, memory_bytes: int) -> InvalidArgument:
    """The error for a document that needs more memory than it may take."""
    limit = memory_bytes >> 20
    return InvalidArgument(
        "PARSE_OUT_OF_MEMORY",
        f"{name}: parsing needs more than {limit} MiB of memory; split the file, or raise "
        "SISHU_INGEST_PARSE_MEMORY_MIB",
        name=name,
        memory_mib=str(limit),
    )
