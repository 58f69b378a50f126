"""ODT: read by Pandoc, after what it would leave out is put in plain OpenDocument."""

from __future__ import annotations

import io
import zipfile

from lxml import etree

from services.ingest.readers.odt.body import CODE, DRAW, LINE_END, SPACE, mend
from services.ingest.readers.odt.styles import OASIS, styles_of
from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared import archives
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.images import fetch_from
from services.ingest.readers.shared.html.markdown import markdown_of
from services.ingest.readers.shared.html.tree import parsed
from services.ingest.readers.shared.images import Images
from services.ingest.readers.shared.pandoc import html_of
from services.runtime.archives import encrypted

SVG = OASIS % "svg-compatible"
HREF = "{http://www.w3.org/1999/xlink}href"
MANIFEST = "META-INF/manifest.xml"
CONTENT = "content.xml"
STYLES = "styles.xml"
PICTURES = ("Pictures/", "media/", "ObjectReplacements/")
NO_STYLES = (
    b'<office:document-styles xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0">'
    b"<office:styles/></office:document-styles>"
)
PICTURE = b"-"
"""Stands in for each picture; those that the text shows are fetched from the archive."""


def read(source: Source) -> Reading:
    """Convert to Markdown. Headers, footers and deleted text are left out.

    Raises:
        InvalidArgument: the file is damaged or encrypted, or holds no text.
    """
    images = Images(source.folder)
    with archives.opened(source) as archive:
        if is_encrypted(archive, source):
            raise encrypted(source.name)
        fetch = fetch_from(archive, source)
        content = archives.xml(archives.read(archive, CONTENT, source), source)
        words = {image.get(HREF, ""): words_of(image) for image in content.iter(f"{DRAW}image")}
        page = parsed(html_of(mended(archive, content, source), "odt", source))
        finish(page, words)
        text = markdown_of(page, images, fetch)
    return checked(Reading(text, images=images.placed(text)), source.name)


def is_encrypted(archive: zipfile.ZipFile, source: Source) -> bool:
    """Whether the manifest says that files are encrypted (OpenDocument 1.3 part 2, 3.4)."""
    if MANIFEST not in archive.NameToInfo:
        return False
    manifest = archives.xml(archives.read(archive, MANIFEST, source), source)
    return next(manifest.iter("{*}encryption-data"), None) is not None


def words_of(image: Element) -> str:
    """What stands for a picture where it cannot be seen."""
    said = [image.getparent().findtext(f"{SVG}{name}") or "" for name in ("title", "desc")]
    return next((words for words in reversed(said) if words.strip()), "")


def mended(archive: zipfile.ZipFile, content: Element, source: Source) -> bytes:
    """The document packed anew, with a mended text and no pictures.

    Raises:
        InvalidArgument: a part of it is damaged.
    """
    parts = {
        name: archives.xml(archives.read(archive, name, source), source)
        for name in archive.namelist()
        if name == STYLES or name.endswith("/content.xml")
    }
    if STYLES not in parts or len(parts[STYLES]) == 0:
        # Programs that write little leave it out; Pandoc demands it.
        parts[STYLES] = archives.xml(NO_STYLES, source)
    mend(content, styles_of([*(parts[name] for name in parts if name == STYLES), content]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, root in {**parts, CONTENT: content}.items():
            packed.writestr(name, etree.tostring(root, encoding="utf-8"))
        for name in archive.namelist():
            if name.startswith(PICTURES) and not name.endswith("/"):
                packed.writestr(name, PICTURE)
    return buffer.getvalue()


def finish(page: Element, words: dict[str, str]) -> None:
    """Make lines of code blocks, formulas within text small, and give pictures their words, in place."""
    for image in page.iter("img"):
        if words.get(image.get("src", "")):
            image.set("alt", words[image.get("src")])
    for formula in page.iter("span"):
        above = formula.getparent()
        if formula.get("class") == "math display" and (len(above) > 1 or (above.text or "").strip()):
            formula.set("class", "math inline")
            formula.text = (formula.text or "").replace("\\[", "\\(").replace("\\]", "\\)")
    for line in list(page.iter("p", "td", "th", "li")):
        if (line.text or "").startswith(CODE):
            make_code(line)


def make_code(line: Element) -> None:
    """Make a line of code a block, or the next line of the block above."""
    code = (line.text or "")[1:].replace(SPACE, " ").replace(LINE_END, "\n")
    above = line.getprevious()
    if line.tag != "p":
        line.text = None
        etree.SubElement(line, "pre").text = code
    elif above is not None and above.tag == "pre" and not (above.tail or "").strip():
        above.text = f"{above.text}\n{code}"
        line.getparent().remove(line)
    else:
        line.tag, line.text = "pre", code
