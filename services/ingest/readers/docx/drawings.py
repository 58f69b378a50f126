"""Charts and diagrams of a DOCX: their data and words, which no picture of the file holds."""

from __future__ import annotations

import re
import zipfile

from lxml import etree

from services.ingest.readers.docx.paragraphs import text_element
from services.ingest.readers.reading import Source
from services.ingest.readers.shared import archives, markdown, opc
from services.ingest.readers.shared.charts import chart_line, chart_text
from services.ingest.readers.shared.diagrams import diagram_text
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.namespaces import MC, R, W

MARK = "\ufdd3"
"""Stands around the number of a drawing in the text until the rest is Markdown."""
MARKED = re.compile(f"{MARK}([0-9]{{1,9}}){MARK}")


class Drawings:
    """The charts and diagrams of one document.

    Args:
        archive: the document.
        links: what its main part refers to, by id.
        source: for messages.
    """

    def __init__(self, archive: zipfile.ZipFile, links: opc.Relations, source: Source) -> None:
        self._archive = archive
        self._links = links
        self._source = source
        self._texts: list[tuple[str, str]] = []

    def mark(self, body: Element) -> None:
        """Put a mark for each drawing behind its paragraph, in place."""
        for part in list(body.iter("{*}chart", "{*}relIds")):
            root = self._part(part.get(f"{R}id") or part.get(f"{R}dm"))
            anchor = next(part.iterancestors(f"{W}p"), None)
            if root is None or anchor is None:
                continue
            is_chart = etree.QName(part).localname == "chart"
            text = chart_text(root) if is_chart else diagram_text(root)
            if text:
                short = chart_line(root) if is_chart else " ".join(text.split())
                anchor.addnext(self.keep(text, markdown.cell(short)))
                drop_alternatives(part)

    def keep(self, text: str, short: str) -> Element:
        """Keep a text until the rest is Markdown; return the paragraph that stands for it.

        Args:
            text: its Markdown, which may have many lines.
            short: what stands for it in a cell of a table: one line.
        """
        paragraph, run = etree.Element(f"{W}p"), etree.Element(f"{W}r")
        run.append(text_element(f"{MARK}{len(self._texts)}{MARK}"))
        paragraph.append(run)
        self._texts.append((text, short))
        return paragraph

    def put(self, text: str) -> str:
        """The text with its drawings; in a cell of a table each in one line."""
        if not self._texts:
            return text
        return "\n".join(self._put(line) for line in text.split("\n"))

    def _put(self, line: str) -> str:
        in_cell = line.startswith("|")

        def said(match: re.Match[str]) -> str:
            number = int(match[1])
            return self._texts[number][in_cell] if number < len(self._texts) else ""

        return MARKED.sub(said, line) if MARK in line else line

    def _part(self, identity: str | None) -> Element | None:
        link = self._links.get(identity or "")
        path = "" if link is None or link.is_outside else link.target
        if path not in self._archive.NameToInfo:
            return None
        return archives.xml(archives.read(self._archive, path, self._source), self._source)


def drop_alternatives(part: Element) -> None:
    """Drop what would stand for a drawing where nobody can read it."""
    for choice in part.iterancestors(f"{MC}Choice"):
        for other in list(choice.itersiblings(f"{MC}Fallback")):
            other.getparent().remove(other)
