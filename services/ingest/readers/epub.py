"""EPUB: the chapters in reading order as one text (EPUB 3.3, W3C)."""

from __future__ import annotations

import posixpath
import re
import zipfile
from dataclasses import dataclass
from urllib.parse import unquote

from lxml import etree

from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared import archives
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.encodings import decoded
from services.ingest.readers.shared.html.images import fetch_from
from services.ingest.readers.shared.html.markdown import markdown_of
from services.ingest.readers.shared.html.tree import parsed, without_controls
from services.ingest.readers.shared.images import Images
from services.runtime.archives import encrypted

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
OBFUSCATED_FONTS = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}
"""Books that anybody can read have their fonts scrambled so."""
PAGES = {
    "application/xhtml+xml",
    "text/html",
    "application/xml",
    "text/x-oeb1-document",
    "image/svg+xml",
}
EMPTY_ELEMENT = re.compile(
    r"<(?!area|base|br|col|embed|hr|img|input|link|meta|source|wbr)([a-zA-Z][\w:-]*)(\s[^<>]*)?/>"
)


@dataclass(frozen=True)
class Book:
    """A book: its title, and its pages by path in reading order."""

    title: str
    pages: tuple[str, ...]


def read(source: Source) -> Reading:
    """Convert all chapters to Markdown; the table of contents is left out.

    Raises:
        InvalidArgument: the file is damaged or encrypted, or holds no text.
    """
    images = Images(source.folder)
    with archives.opened(source) as archive:
        if is_encrypted(archive, source):
            raise encrypted(source.name)
        fetch = fetch_from(archive, source)
        text = markdown_of(whole(archive, book_of(archive, source), source), images, fetch)
    return checked(Reading(text, images=images.placed(text)), source.name)


def is_encrypted(archive: zipfile.ZipFile, source: Source) -> bool:
    """Whether more than fonts is encrypted."""
    if ENCRYPTION not in archive.NameToInfo:
        return False
    root = archives.xml(archives.read(archive, ENCRYPTION, source), source)
    methods = {method.get("Algorithm") for method in root.iter("{*}EncryptionMethod")}
    return not methods <= OBFUSCATED_FONTS


def book_of(archive: zipfile.ZipFile, source: Source) -> Book:
    """Read the package document.

    Raises:
        InvalidArgument: it is missing or damaged, or names a chapter that is nowhere.
    """
    container = archives.xml(archives.read(archive, CONTAINER, source), source)
    roots = [root.get("full-path", "") for root in container.iter("{*}rootfile")]
    if not roots:
        raise archives.unreadable(source, f"{CONTAINER} names no package", CONTAINER)
    package = archives.xml(archives.read(archive, roots[0], source), source)
    folder = posixpath.dirname(roots[0])
    items = {item.get("id"): item for item in package.iter("{*}item")}
    pages = []
    for reference in package.iter("{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None:
            raise archives.unreadable(
                source, f"its spine names {reference.get('idref')!r}, which it does not hold", roots[0]
            )
        if "nav" in item.get("properties", "").split() or item.get("media-type") not in PAGES:
            continue
        pages.append(resolved(folder, item.get("href", "")))
    if not pages:
        raise archives.unreadable(source, "its spine names no chapter", roots[0])
    title = next((" ".join((found.text or "").split()) for found in package.iter("{*}title")), "")
    return Book(title, tuple(dict.fromkeys(pages)))


def resolved(folder: str, reference: str) -> str:
    """A reference as a path in the archive."""
    return posixpath.normpath(posixpath.join(folder, without_controls(unquote(reference)))).lstrip("/")


def whole(archive: zipfile.ZipFile, book: Book, source: Source) -> Element:
    """All chapters as one tree, in which references and pictures find their targets."""
    root = etree.Element("div")
    places = {path: place for place, path in enumerate(book.pages)}
    for path in book.pages:
        page = parsed(EMPTY_ELEMENT.sub(r"<\1\2></\1>", page_of(archive, path, source)))
        body = page.find("body")
        for contents in list(page.iter("nav")):
            contents.tag = "gone"
        lead(page, path, places)
        chapter = etree.SubElement(root, "div", id=f"{places[path]}#")
        chapter.text = None if body is None else body.text
        chapter.extend(list(page if body is None else body))
    if book.title and next(root.iter("h1"), None) is None:
        heading = etree.Element("h1")
        heading.text = book.title
        root.insert(0, heading)
    return root


def page_of(archive: zipfile.ZipFile, path: str, source: Source) -> str:
    """The source text of a page.

    Raises:
        InvalidArgument: it is damaged, or no text.
    """
    page = decoded(archives.read(archive, path, source), source.name)
    if "\x00" in page:
        checked(Reading(page), source.name)
    return page


def lead(page: Element, path: str, places: dict[str, int]) -> None:
    """Make the names of a page's places unlike those of others, and its references lead to them."""
    folder = posixpath.dirname(path)
    for element in page.iter(etree.Element):
        if element.get("id"):
            element.set("id", f"{places[path]}#{element.get('id')}")
        for name in ("src", "xlink:href", "href"):
            said = element.get(name)
            if not said or re.match(r"[a-zA-Z][\w+.-]*:", said):
                continue
            target, _, place = said.partition("#")
            if element.tag == "a":
                to = resolved(folder, target) if target else path
                element.set(name, f"#{places[to]}#{place}" if to in places else "")
            else:
                element.set(name, resolved(folder, target))
