"""The text of DrawingML, in which shapes, charts, diagrams and comments of Office files are written."""

from __future__ import annotations

from services.ingest.readers.shared.elements import Element

TEXTS = {"t", "v", "text"}
"""Elements that hold characters: of a run, of a point of a chart, of an old comment of PPTX."""
LINES = {"p", "br", "pt"}
"""Elements that begin a line: a paragraph, the end of a line in one, a point."""


def lines_in(element: Element) -> str:
    """The text of an element, a line for each paragraph and behind each line break (ECMA-376-1, 21.1.2)."""
    parts: list[str] = []
    for part in element.iter("{*}*"):
        name = part.tag.rpartition("}")[2]
        if name in LINES:
            parts.append("\n")
        elif name in TEXTS:
            parts.append(part.text or "")
    lines = (line.strip() for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


def words_in(element: Element) -> str:
    """The text of an element in one line."""
    return " ".join(lines_in(element).split())
