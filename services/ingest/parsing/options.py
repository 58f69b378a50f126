"""How a document is read, cleaned and split."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from services.ingest.readers import ReadOptions
from services.ingest.splitting import SplitOptions
from services.runtime.errors import InvalidArgument

NO_ENCODINGS = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}
"""Codecs of Python that no file is in."""


@dataclass(frozen=True)
class CleanOptions:
    """What is taken out of the text as it was read: by rules, in their order, then by a language model."""

    rules: tuple[str, ...] = ()
    rewrite: bool = False


@dataclass(frozen=True)
class ParseOptions:
    """How a document becomes text and chunks."""

    read: ReadOptions = field(default_factory=ReadOptions)
    clean: CleanOptions = field(default_factory=CleanOptions)
    split: SplitOptions = field(default_factory=SplitOptions)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> ParseOptions:
        """The options of their stored form."""
        read, clean = stored["read"], stored["clean"]
        pages = {int(page): reader for page, reader in read["page_readers"].items()}
        return cls(
            ReadOptions(read["page_reader"], pages, read["encoding"]),
            CleanOptions(tuple(clean["rules"]), clean["rewrite"]),
            SplitOptions(**stored["split"]),
        )

    def as_json(self) -> dict[str, Any]:
        """Their stored form."""
        stored = asdict(self)
        pages = self.read.page_readers.items()
        stored["read"]["page_readers"] = {str(page): reader for page, reader in pages}
        return stored

    @property
    def for_others(self) -> ParseOptions:
        """The same for another document: without what was said of single pages and places of this one."""
        split = self.split
        if split.strategy == "custom":
            split = replace(split, strategy="structure", cut_points=())
        return replace(self, read=replace(self.read, page_readers={}), split=split)

    def with_tokenizer(self, tokenizer: str) -> ParseOptions:
        """The same with another tokenizer."""
        return replace(self, split=replace(self.split, tokenizer=tokenizer))

    def check_documents(self, count: int) -> None:
        """Demand that what is said of pages and places is said of one document.

        Raises:
            InvalidArgument: it is said of several, or of all that wait.
        """
        if count == 1:
            return
        if self.split.cut_points:
            raise for_one_document("cut_points", "split_options.cut_points")
        if self.read.page_readers:
            raise for_one_document("pages", "read_options.pages")


def for_one_document(what: str, field_path: str) -> InvalidArgument:
    """The error for places that are named for several documents."""
    return InvalidArgument(
        "PARSE_OPTIONS_INVALID",
        f"{what} can be given for one document only; name that one in document_ids",
        field_path,
    )


def encoding_named(name: str) -> str:
    """The encoding of a name, as Python calls it; empty for none.

    Raises:
        InvalidArgument: there is no encoding of text of the name.
    """
    if not name:
        return ""
    try:
        encoding = codecs.lookup(name).name
        # Says of a codec such as `hex` that it makes no text; four letters are some in every one that does.
        b"aaaa".decode(encoding, "replace")
    except (LookupError, ValueError):
        encoding = ""
    if not encoding or encoding in NO_ENCODINGS:
        raise InvalidArgument(
            "PARSE_OPTIONS_INVALID",
            f"{name[:40]!r} is no encoding of text; use one such as utf-8, gb18030, big5 or cp1252, or "
            "none, so that it is found from the bytes",
            "read_options.encoding",
        )
    return encoding
