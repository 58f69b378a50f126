"""RTF before it goes to Pandoc: what Pandoc would misread, said in other words. RTF 1.9.1.

Pandoc knows two code pages, counts lists by itself, shows deleted text, and glues cells of inner tables. Here
letters become Unicode, the numbers that Word shows are written out, and what was deleted goes.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace

from services.ingest.readers.rtf import notes
from services.ingest.readers.rtf.symbols import symbol_of, symbols
from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.style_names import TITLE_NAMES

CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251",
    222: "cp874", 238: "cp1250", 255: "cp437",
}  # fmt: skip
"""Encodings by the number of a font's character set; 1 means the document's own."""
SYMBOL = 2
"""Character set of fonts whose letters are pictures: bullets, arrows."""
PICTURES, GREEK = "pictures", "greek"
"""Stand for the encodings of such fonts, and of the one that has Greek letters and signs of mathematics."""
PAGES = {936: "gb18030", 10000: "mac_roman", 65001: "utf-8", 1361: "johab"}
TOKEN = re.compile(
    rb"\\bin(\d+) ?|\\([a-zA-Z]+)(-?\d+)? ?|\\'([0-9a-fA-F]{2})|\\[^a-zA-Z']|[{}]|[^\\{}]+|\\", re.DOTALL
)
MARKUP = re.compile(r"[\\{}]")
SYMBOL_NAME = re.compile(r"\s*symbol\b", re.IGNORECASE)
SYMBOLS = {b"~": b" ", b"_": b"-", b"-": b""}
"""A space and a hyphen that hold words together, and a place where a word may be cut."""
LABEL, LABEL_END = "\ufdd1", "\ufdd2"
"""Stand around the depth and the number of an item, at the start of its text, until Pandoc is done."""
WORDS_OF_LISTS = {b"ls", b"pnlvl", b"pnlvlblt", b"pnlvlbody", b"pnlvlcont"}
"""What makes Pandoc count for itself."""


@dataclass(frozen=True)
class Group:
    """What holds within braces.

    Args:
        encoding: of bytes beyond ASCII.
        fallback: how many characters stand in for a Unicode one.
        place: what the text is for: empty for the document, else `fonts`, `styles`, `label`, `author`,
            `comment` or `dropped`.
        deleted: whether its text was deleted.
    """

    encoding: str = "cp1252"
    fallback: int = 1
    place: str = ""
    deleted: bool = False


def mended(data: bytes) -> bytes:
    """An RTF that Pandoc reads as a person sees it; bytes of pictures stay as they are."""
    return Rewriter(data).written()


class Rewriter:
    """Goes through an RTF once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._out: list[bytes] = []
        self._groups = [Group()]
        self._fonts: dict[int, str] = {}
        self._titles: set[int] = set()
        self._font = self._style = self._depth = self._skip = self._high = 0
        self._document = "cp1252"
        self._letters = bytearray()
        self._words = ""
        self._label = self._author = self._comment = ""
        self._text: list[bytes] = self._out
        self._notes: list[bytes] = []
        self._note_depth = 0

    def written(self) -> bytes:
        """The whole, rewritten."""
        place, data = 0, self._data
        while match := TOKEN.match(data, place):
            place = match.end()
            if match[1] is not None:
                self._flush()
                place = min(place + int(match[1][:10]), len(data))
                self._out.append(data[match.start() : place])
            elif match[2] is not None:
                number = int(match[3]) if match[3] and len(match[3]) < 10 else None
                self._word(match[2], number, match[0])
            elif match[4] is not None:
                self._byte(int(match[4], 16))
            elif match[0] in {b"{", b"}"}:
                self._brace(match[0])
            elif match[0][:1] == b"\\":
                self._symbol(match[0])
            else:
                self._plain(match[0].replace(b"\r", b"").replace(b"\n", b""))
        self._flush()
        if self._note_depth:
            self._end_note()
        end = max((at for at, part in enumerate(self._out) if part == b"}"), default=len(self._out))
        return b"".join((*self._out[:end], notes.gathered(self._notes), *self._out[end:]))

    def _set(self, **changes: object) -> None:
        """Change what holds in the group."""
        self._flush()
        self._groups[-1] = replace(self._groups[-1], **changes)  # type: ignore[arg-type]

    def _brace(self, token: bytes) -> None:
        self._flush()
        self._skip = 0
        if token == b"{":
            self._groups.append(self._groups[-1])
        else:
            if self._note_depth == len(self._groups):
                self._end_note()
            self._end(self._groups[-1])
        if self._groups[-1].place not in SILENT:
            self._out.append(token)
            if self._comment:
                self._out.append(written(self._comment))
                self._comment = ""

    def _end(self, group: Group) -> None:
        """Leave a group, and take what it said."""
        if len(self._groups) > 1:
            self._groups.pop()
        outer = self._groups[-1].place
        if group.place == "styles":
            if self._words.partition(";")[0].strip().lower() in TITLE_NAMES:
                self._titles.add(self._style)
            self._words = ""
        elif group.place == "label" and outer != "label":
            self._label, self._words = self._words.strip() or "-", ""
        elif group.place == "author" and outer != "author":
            self._author, self._words = self._words, ""
        elif group.place == "comment" and outer != "comment":
            said, self._words = markdown.comment(self._author, self._words), ""
            self._comment, self._author = f" {said}" if said else "", ""

    def _begin_note(self) -> None:
        """Leave a mark in the place of a footnote, and take its text by itself; nothing of a deleted one."""
        if self._groups[-1].deleted:
            self._set(place="dropped")
            return
        mark = notes.mark(len(self._notes) + 1)
        self._say(mark, mark.encode())
        self._out, self._note_depth = [], len(self._groups)

    def _end_note(self) -> None:
        """Keep what was said in a footnote."""
        self._notes.append(b"".join(self._out))
        self._out, self._note_depth = self._text, 0

    def _byte(self, byte: int) -> None:
        if self._skip:
            self._skip -= 1
        else:
            self._letters.append(byte)

    def _symbol(self, token: bytes) -> None:
        self._flush()
        symbol = SYMBOLS.get(token[1:])
        if self._skip:
            self._skip -= 1
        elif symbol is not None:
            self._say(symbol.decode(), symbol)
        elif token[1:] in {b"\\", b"{", b"}"}:
            self._say(token[1:].decode(), token)
        elif self._groups[-1].place not in SILENT:
            self._out.append(token)

    def _plain(self, text: bytes) -> None:
        skipped = min(self._skip, len(text))
        self._skip -= skipped
        self._letters += text[skipped:]

    def _word(self, word: bytes, number: int | None, token: bytes) -> None:
        top, value = self._groups[-1], number or 0
        if word == b"u" and number is not None:
            self._unicode(value % 0x10000)
            return
        self._flush()
        if word == b"uc":
            self._set(fallback=max(0, min(value, 100)))
        elif word in PLACES:
            self._set(place=PLACES[word])
            if word == b"nesttableprops":
                self._out.append(b"}\\line {")
        elif word == b"deleted":
            self._set(deleted=number != 0)
        elif word == b"ilvl":
            self._depth = max(0, min(value, 8))
        if top.place == "comment" and word in SPACES:
            self._words += " "
        if word in HANDLED or top.place in SILENT or self._groups[-1].place in SILENT:
            return
        self._note(word, value)
        if word == b"footnote" and (top.deleted or (not self._note_depth and self._out[-1:] == [b"{"])):
            self._begin_note()
        elif word == b"nestcell":
            self._say(" | ", b" | ")
        elif word not in WORDS_OF_LISTS:
            self._out.append(token if token.endswith(b" ") else token + b" ")
        if word == b"s" and not top.place and value in self._titles:
            self._out.append(b"\\outlinelevel0 ")

    def _note(self, word: bytes, value: int) -> None:
        """Remember what a word says of letters to come."""
        top = self._groups[-1]
        if word == b"ansicpg":
            self._document = page(value)
            self._set(encoding=self._document)
        elif word == b"f":
            self._font = value
            if top.place != "fonts":
                self._set(encoding=self._fonts.get(value, self._document))
        elif word == b"fcharset" and top.place == "fonts":
            self._fonts[self._font] = PICTURES if value == SYMBOL else CHARSETS.get(value, self._document)
            self._set(encoding=self._fonts[self._font])
        elif word == b"s" and top.place == "styles":
            self._style = value
        elif word == b"plain":
            self._set(encoding=self._document, deleted=False)
        elif word == b"pard":
            self._depth = 0

    def _unicode(self, unit: int) -> None:
        """A unit of UTF-16; two make a letter beyond the first 65536."""
        self._flush()
        self._skip = self._groups[-1].fallback
        if 0xD800 <= unit < 0xDC00:
            self._high = unit
            return
        if 0xDC00 <= unit < 0xE000:
            unit = 0x10000 + ((self._high - 0xD800) << 10) + (unit - 0xDC00) if self._high else 0xFFFD
        self._high = 0
        if self._groups[-1].encoding == GREEK:
            unit = symbol_of(unit)
        if unit:
            self._say(chr(unit), written(chr(unit)))

    def _flush(self) -> None:
        """Say the letters that were read as bytes."""
        if not self._letters:
            return
        data, encoding = bytes(self._letters), self._groups[-1].encoding
        self._letters.clear()
        if data.isascii() and encoding != GREEK:
            self._say(data.decode(), data)
            return
        text = decoded(data, encoding)
        self._say(text, written(text))

    def _say(self, text: str, rtf: bytes) -> None:
        """Add text to what it is for."""
        top = self._groups[-1]
        if top.place in HEARD:
            self._words += text
        if top.place == "fonts" and self._fonts.get(self._font) == PICTURES and SYMBOL_NAME.match(text):
            self._fonts[self._font] = GREEK
        if top.place in SILENT or top.deleted:
            return
        if self._label and not top.place:
            label, self._label = f"{LABEL}{self._depth}{self._label}{LABEL_END}", ""
            self._out.append(written(label))
        self._out.append(rtf)


PLACES = {
    b"fonttbl": "fonts",
    b"stylesheet": "styles",
    b"listtext": "label",
    b"pntext": "label",
    b"nesttableprops": "dropped",
    b"nonesttables": "dropped",
    b"annotation": "comment",
    b"atnauthor": "author",
    b"atnid": "dropped",
    b"atnref": "dropped",
    b"atndate": "dropped",
    b"atntime": "dropped",
    b"atnicn": "dropped",
    b"atnparent": "dropped",
}
HEARD = {"label", "styles", "author", "comment"}
"""Places whose text is kept."""
SPACES = {b"par", b"line", b"tab"}
SILENT = {"label", "dropped", "author", "comment"}
"""Places of which Pandoc gets nothing."""
HANDLED = {b"uc", b"ilvl", b"deleted", *PLACES} - {b"fonttbl", b"stylesheet"}


def decoded(data: bytes, encoding: str) -> str:
    """Bytes as text; what an encoding lacks is taken for a letter of the West."""
    if encoding == PICTURES:
        return "".join("•" if byte > 127 else chr(byte) for byte in data)
    if encoding == GREEK:
        return symbols(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def page(number: int) -> str:
    """The encoding of a code page."""
    name = PAGES.get(number, f"cp{number}")
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name


def written(text: str) -> bytes:
    """Text as Pandoc takes it from an RTF: in UTF-8, as its numbers end at 65535."""
    return MARKUP.sub(r"\\\g<0>", text).encode("utf-8", "replace")
