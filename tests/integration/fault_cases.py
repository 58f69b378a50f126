"""Files that are damaged, locked, wrongly named, made to do harm, or just strange, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support import fault_files as files

LINES = [f"This is line {number} of a file that was whole." for number in range(60)]
UNICODE = (
    "# שלום עולם\n\nمرحبا بالعالم (نص) 123.\n\ne\u0301 a\u0323\u0302 z\u0335\u0321\u035c نَصٌّ\n\n"
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ 𠮷\n\n\u200fRTL\u200e \u2067אב\u2069 \u202eabc\u202c\n"
)
"""Right to left, combining characters, emoji of many code points, and marks of direction."""
MIB = 1 << 20


@dataclass(frozen=True)
class Fault:
    """A file that is refused.

    Args:
        make: makes its bytes.
        reason: of its failure.
        says: words of the message beside the file's name: where it is, and what to do.
        where: metadata of the failure beside the name.
    """

    make: Callable[[], bytes]
    reason: str
    says: tuple[str, ...]
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Oddity:
    """A file that looks bad and is read.

    Args:
        make: makes its bytes.
        text: what must be read.
    """

    make: Callable[[], bytes]
    text: str


FAULTS = {
    "encrypted.pdf": Fault(files.encrypted_pdf, "FILE_ENCRYPTED", ("save it without one",)),
    "encrypted.docx": Fault(
        lambda: files.compound_file("EncryptedPackage"), "FILE_ENCRYPTED", ("save it without a password",)
    ),
    "encrypted.zip": Fault(
        files.encrypted_zip, "FILE_ENCRYPTED", ("secret.md", "without a password"), {"member": "secret.md"}
    ),
    "cut.pdf": Fault(lambda: files.cut(files.pdf(*LINES)), "PDF_UNREADABLE", ("cut off", "Save it anew")),
    # Its last page would be blank.
    "cut off the web.pdf": Fault(
        lambda: files.cut_web_pdf(*LINES), "PDF_UNREADABLE", ("cut off", "send it again")
    ),
    "cut.docx": Fault(
        lambda: files.cut(files.word_file(*LINES)), "DOCX_UNREADABLE", ("cut off", "Save it anew")
    ),
    "cut.xlsx": Fault(lambda: files.cut(files.sheet(LINES)), "XLSX_UNREADABLE", ("cut off", "Save it anew")),
    "cut.pptx": Fault(
        lambda: files.cut(files.slides("text")), "PPTX_UNREADABLE", ("cut off", "Save it anew")
    ),
    "cut.epub": Fault(lambda: files.cut(files.epub("text")), "EPUB_UNREADABLE", ("cut off", "Save it anew")),
    "without a chapter.epub": Fault(
        lambda: files.without(files.epub("text"), "c.xhtml"),
        "EPUB_UNREADABLE",
        ("c.xhtml is missing", "Save it anew"),
        {"member": "c.xhtml"},
    ),
    "cut.odt": Fault(lambda: files.cut(files.odt("text")), "ODT_UNREADABLE", ("cut off", "Save it anew")),
    "cut.zip": Fault(
        lambda: files.cut(files.zipped({"a.md": "a", "b.md": "b"})), "ZIP_UNREADABLE", ("cut off",)
    ),
    "cut.rtf": Fault(lambda: rb"{\rtf1 one\par two\par {\b three", "RTF_UNREADABLE", ("cut off",)),
    "cut.json": Fault(lambda: b'{"a": 1,\n"b": ', "JSON_INVALID", ("line 2",), {"line": "2"}),
    "damaged page.pdf": Fault(
        files.pdf_with_damaged_page, "PDF_UNREADABLE", ("page 2 ", "Save it anew"), {"page": "2"}
    ),
    "broken.json": Fault(
        lambda: b'{"a": 1,\n"b": oops}', "JSON_INVALID", ("line 2, column 6", "mend it"), {"offset": "14"}
    ),
    "broken.jsonl": Fault(
        lambda: b'{"a": 1}\n{"a": 2}\n{"a": }\n', "JSON_INVALID", ("line 3",), {"line": "3"}
    ),
    "no head.eml": Fault(lambda: b"just a text", "EML_UNREADABLE", ("no head",)),
    "mixed.txt": Fault(
        lambda: ("树木。" * 99).encode() + b"\xff\xff" + ("树木。" * 99).encode(),
        "ENCODING_DAMAGED",
        ("byte 891 ", "mend it there"),
        {"offset": "891"},
    ),
    "a pdf.docx": Fault(lambda: files.pdf("text"), "FORMAT_MISMATCH", ("a PDF", "rename it to .pdf")),
    "a picture.md": Fault(files.png, "FORMAT_MISMATCH", ("a PNG picture", "put it into a PDF")),
    "an old one.docx": Fault(
        lambda: files.compound_file("WordDocument"), "FORMAT_MISMATCH", ("(.doc)", "save it as .docx")
    ),
    "empty.md": Fault(lambda: b"", "FILE_EMPTY", ("send it again",)),
    "blank.md": Fault(lambda: b" \n\n", "TEXT_EMPTY", ("no text", "leave it out")),
    "blank.pdf": Fault(lambda: files.pdf(""), "PDF_WITHOUT_TEXT", ("`vision`",)),
    "bomb.zip": Fault(
        lambda: files.zipped({"good.md": "good", "bomb.md": bytes(64 * MIB)}),
        "ARCHIVE_BOMB",
        ("bomb.md", "split the file"),
        {"member": "bomb.md"},
    ),
    "bomb.docx": Fault(
        lambda: files.changed(files.word_file("text"), {"word/media/image1.png": bytes(64 * MIB)}),
        "ARCHIVE_BOMB",
        ("image1.png",),
        {"member": "word/media/image1.png"},
    ),
    "many.zip": Fault(
        lambda: files.zipped({f"{number}.md": "" for number in range(10_001)}), "ARCHIVE_BOMB", ("10001",)
    ),
    "lying.zip": Fault(files.lying_zip, "ARCHIVE_BOMB", ("unpacks to",)),
    "overlapping.zip": Fault(files.overlapping_zip, "ARCHIVE_BOMB", ("overlap",), {"member": "b.md"}),
    "laughs.docx": Fault(files.laughing_word_file, "XML_BOMB", ("save it anew without entities",)),
    "laughs.odt": Fault(
        lambda: files.odt("&l9;", files.LAUGHS), "XML_BOMB", ("save it anew without entities",)
    ),
    "deep.docx": Fault(files.deep_word_file, "XML_BOMB", ("depth",)),
    "deep.json": Fault(lambda: b"[" * 99_999 + b"]" * 99_999, "JSON_TOO_DEEP", ("64 deep", "flatten them")),
    "wide.xlsx": Fault(files.wide_sheet, "SHEET_TOO_LARGE", ("row 1000000", "delete what stands far out")),
    "tags.html": Fault(lambda: b"<b>" * 1_500_001, "HTML_TOO_LARGE", ("1500001 tags", "split it")),
    "nul.txt": Fault(
        lambda: b"some text\x00more", "TEXT_BINARY", ("character 9 ", "save it as text"), {"offset": "9"}
    ),
    "nul.csv": Fault(lambda: b"a,b\n1,\x00\n", "TEXT_BINARY", ("NUL", "save it as text")),
}
ODDITIES = {
    "good.md": Oddity(lambda: b"# Good\n\nA good text.\n", "# Good\n\nA good text.\n"),
    "good.docx": Oddity(lambda: files.word_file("A good letter."), "A good letter.\n"),
    "web.pdf": Oddity(lambda: files.web_pdf("One page.", "Another page."), "One page.\n\nAnother page.\n"),
    "macros.docx": Oddity(lambda: files.with_macros(files.word_file("A letter.")), "A letter.\n"),
    "macros.docm": Oddity(lambda: files.with_macros(files.word_file("A note.")), "A note.\n"),
    "macros.pptm": Oddity(lambda: files.with_macros(files.slides("A slide.")), "A slide.\n"),
    "macros.xlsm": Oddity(
        lambda: files.with_macros(files.sheet(["name", "city"], ["Li", "Kiel"])),
        "## Sheet\n\n| name | city |\n| --- | --- |\n| Li | Kiel |\n",
    ),
    "unicode.md": Oddity(UNICODE.encode, UNICODE),
    "unicode.txt": Oddity(lambda: UNICODE.encode("utf-16"), UNICODE),
    "unicode.docx": Oddity(
        lambda: files.word_file("אב 👩‍👩‍👧‍👦 e\u0301 مرحبا"), "אב 👩‍👩‍👧‍👦 e\u0301 مرحبا\n"
    ),
    "empty inside.zip": Oddity(
        lambda: files.zipped({"empty.md": "", "whole.md": "whole"}),
        "- empty.md: left out, it is empty\n- whole.md\n",
    ),
    "link.zip": Oddity(
        lambda: files.zip_with_link("/etc/passwd"), "- link.md: not read, see its document\n- whole.md\n"
    ),
    "up.zip": Oddity(
        lambda: files.zipped({"../../up.md": "up", "beside.md": "beside"}),
        "- up.md: not read, see its document\n- beside.md\n",
    ),
    "absolute.zip": Oddity(
        lambda: files.zipped({"/etc/absolute.md": "absolute"}),
        "- etc/absolute.md: not read, see its document\n",
    ),
    "drive.zip": Oddity(
        lambda: files.zipped({r"C:\drive.md": "drive"}), "- drive.md: not read, see its document\n"
    ),
    "damaged inside.zip": Oddity(
        lambda: files.zip_with_damaged_file("damaged.md"),
        "- damaged.md: not read, see its document\n- sound.md\n",
    ),
    "locked inside.zip": Oddity(
        lambda: files.zipped({"locked.zip": files.encrypted_zip(), "free.md": "free"}),
        "- locked.zip\n- free.md\n",
    ),
    "nested.zip": Oddity(lambda: files.nested_zip(5), "- n.zip\n"),
    "deep.html": Oddity(lambda: b"<div>" * 99_999 + b"<p>deep</p>", "deep\n"),
    "deep.md": Oddity(lambda: b"> " * 5000 + b"deep\n", "> " * 5000 + "deep\n"),
    "local.html": Oddity(
        lambda: b"<p>seen</p><img src='file:///etc/passwd'><iframe src='file:///etc/passwd'></iframe>",
        "seen\n",
    ),
}
DEEPEST = "nested.zip/n.zip/n.zip/n.zip"
READ_MEMBERS = (
    "empty inside.zip/whole.md",
    "link.zip/whole.md",
    "up.zip/beside.md",
    "damaged inside.zip/sound.md",
    "locked inside.zip/free.md",
    "nested.zip/n.zip",
    "nested.zip/n.zip/n.zip",
)
MEMBER_FAULTS = {
    "link.zip/link.md": ("ARCHIVE_LINK", "pack the file itself", "link.md"),
    "up.zip/up.md": ("ARCHIVE_PATH_UNSAFE", "'../../up.md'", "../../up.md"),
    "absolute.zip/etc/absolute.md": (
        "ARCHIVE_PATH_UNSAFE",
        "pack the file anew, with a relative name",
        "/etc/absolute.md",
    ),
    "drive.zip/drive.md": ("ARCHIVE_PATH_UNSAFE", "relative name", r"C:\drive.md"),
    "damaged inside.zip/damaged.md": ("ZIP_UNREADABLE", "Save it anew", "damaged.md"),
    "locked inside.zip/locked.zip": ("FILE_ENCRYPTED", "without a password", "secret.md"),
    DEEPEST: ("ARCHIVE_TOO_DEEP", "unpack it", ""),
}
"""Files in those archives: reason, words of the message, and `member` in the metadata."""
