from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from services.ingest.readers import Source, read_document
from services.runtime.errors import InvalidArgument
from tests.unit.ingest.readers.readings import ENTITIES, png, read, refusal, swollen, zipped

NAME = "book.epub"
CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
ENCRYPTION = '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#"><EncryptionMethod Algorithm="{}"/></EncryptedData></encryption>'


def page(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title/></head><body>{body}</body></html>'
    )


def book(*pages: str, title: str = "", more: dict[str, bytes | str] | None = None) -> bytes:
    """A book with its chapters in reverse order in the archive, and a table of contents."""
    items = "".join(
        f'<item id="c{number}" href="text/c{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(len(pages))
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(pages)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<metadata><dc:title>{title}</dc:title></metadata><manifest>{items}"
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/></manifest>'
        f'<spine><itemref idref="nav"/>{spine}</spine></package>'
    )
    files: dict[str, bytes | str] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OPS/book.opf": package,
        "OPS/nav.xhtml": page("<nav><ol><li><a href='text/c0.xhtml'>CONTENTS</a></li></ol></nav>"),
    }
    for number in reversed(range(len(pages))):
        files[f"OPS/text/c{number}.xhtml"] = page(pages[number])
    return zipped({**files, **(more or {})})


def test_chapters_are_read_in_order_without_the_contents(tmp_path: Path) -> None:
    data = book(
        "<h1>One</h1><p>First.<a id='p1'/> Still first.</p>", "<h1>Two</h1><ul><li>a</li></ul>", title="Book"
    )
    assert read(tmp_path, data, NAME).text == "# One\n\nFirst. Still first.\n\n# Two\n\n- a\n"


def test_a_book_without_headings_has_its_title(tmp_path: Path) -> None:
    assert read(tmp_path, book("<p>Text.</p>", title="The Book"), NAME).text == "# The Book\n\nText.\n"


def test_notes_in_another_chapter_are_found(tmp_path: Path) -> None:
    data = book(
        '<p>One<a epub:type="noteref" href="c2.xhtml#n1">1</a>.</p>',
        '<p>Two<sup><a href="c2.xhtml#n2">1</a></sup>, see <a href="c0.xhtml">one</a>.</p>',
        '<h2>Notes</h2><aside epub:type="footnote" id="n1"><p>Note one.</p></aside><p id="n2"><a href="c1.xhtml">1</a> Note two.</p>',
    )
    text = read(tmp_path, data, NAME).text
    assert text.startswith("One[^1].\n\nTwo[^2], see one.\n\n## Notes\n\n[^1]: Note one.\n\n[^2]: ")


def test_pictures_are_found_from_their_chapter(tmp_path: Path) -> None:
    data = book(
        '<p>a <img src="../pics/my%20dot.png" alt="dot"/></p><svg><image xlink:href="../pics/b.png"/></svg>',
        more={"OPS/pics/my dot.png": png(), "OPS/pics/b.png": png(3)},
    )
    reading = read(tmp_path, data, NAME)
    first, second = reading.images
    assert reading.text == f"a ![dot](images/{first.name})\n\n![](images/{second.name})\n"


def test_tables_code_formulas_and_lists_survive(tmp_path: Path) -> None:
    data = book(
        "<table><tr><th>a|b</th><th>c</th></tr><tr><td>1<br/>2</td><td>3</td></tr></table><pre><code>x  y</code></pre>"
        "<p><math xmlns='http://www.w3.org/1998/Math/MathML'><msup><mi>x</mi><mn>2</mn></msup></math></p><ol start='3'><li>c</li></ol>"
    )
    assert read(tmp_path, data, NAME).text == (
        "| a\\|b | c |\n| --- | --- |\n| 1<br>2 | 3 |\n\n```\nx  y\n```\n\n$x^{2}$\n\n3. c\n"
    )


def test_a_protected_book_is_refused_and_one_with_scrambled_fonts_is_not(tmp_path: Path) -> None:
    drm = book(
        "<p>x</p>",
        more={"META-INF/encryption.xml": ENCRYPTION.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")},
    )
    assert refusal(tmp_path, drm, NAME) == "FILE_ENCRYPTED"
    fonts = book(
        "<p>x</p>", more={"META-INF/encryption.xml": ENCRYPTION.format("http://www.idpf.org/2008/embedding")}
    )
    assert read(tmp_path, fonts, NAME).text == "x\n"


@pytest.mark.parametrize(
    ("remove", "says", "member"),
    [
        ("OPS/text/c1.xhtml", "its part OPS/text/c1.xhtml is missing", "OPS/text/c1.xhtml"),
        ('<item id="c1" href="text/c1.xhtml" media-type="application/xhtml+xml"/>', "'c1'", "OPS/book.opf"),
    ],
)
def test_a_book_that_lacks_a_chapter_says_which(tmp_path: Path, remove: str, says: str, member: str) -> None:
    with zipfile.ZipFile(io.BytesIO(book("<p>One.</p>", "<p>Two.</p>"))) as archive:
        files: dict[str, bytes | str] = {
            name: archive.read(name).replace(remove.encode(), b"")
            for name in archive.namelist()
            if name != remove
        }
    path = tmp_path / "file"
    path.write_bytes(zipped(files))
    with pytest.raises(InvalidArgument, match="Save it anew") as raised:
        read_document(Source(path, NAME, "application/epub+zip", tmp_path))
    assert raised.value.reason == "EPUB_UNREADABLE"
    assert raised.value.metadata["member"] == member
    assert says in raised.value.message


def test_letters_of_all_scripts_come_through(tmp_path: Path) -> None:
    text = "عربي עברית é 👩‍👩‍👧 𝛼 ก็ 中文"
    assert read(tmp_path, book(f"<p>{text}</p>"), NAME).text == text + "\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "EPUB_UNREADABLE"),
        (b"no book", "EPUB_UNREADABLE"),
        (zipped({"a": "b"}), "EPUB_UNREADABLE"),
        (zipped({"META-INF/container.xml": "<container/>"}), "EPUB_UNREADABLE"),
        (zipped({"META-INF/container.xml": f"{ENTITIES}<container>&b;</container>"}), "XML_BOMB"),
        (zipped({"META-INF/container.xml": CONTAINER}), "EPUB_UNREADABLE"),
        (book(), "EPUB_UNREADABLE"),
        (book("<p> </p>"), "TEXT_EMPTY"),
        (book("<p>a\x00b</p>"), "TEXT_BINARY"),
        (book("<p>x</p>")[:300], "EPUB_UNREADABLE"),
        (swollen(book("<p>x</p>"), "OPS/x.png"), "ARCHIVE_BOMB"),
    ],
)
def test_a_book_of_no_use_says_why(tmp_path: Path, data: bytes, reason: str) -> None:
    assert refusal(tmp_path, data, NAME) == reason


def test_a_page_that_is_a_drawing_is_read_with_its_words(tmp_path: Path) -> None:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="s" href="s.svg" media-type="image/svg+xml"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="s"/></spine></package>'
    )
    drawing = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/><text>Plate 1</text></svg>'
    data = book(more={"OPS/book.opf": package, "OPS/a.xhtml": page("<p>One.</p>"), "OPS/s.svg": drawing})
    reading = read(tmp_path, data, NAME)
    assert reading.text == f"One.\n\n![Plate 1](images/{reading.images[0].name})\n"
