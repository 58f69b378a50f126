"""Diagrams of Office files (SmartArt, ECMA-376-1, 21.4): their words as a list."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.drawing_text import words_in


def diagram_text(model: etree._Element) -> str:
    """The points of a diagram (SmartArt) as a list of lists (ECMA-376-1, 21.4)."""
    texts = {
        point.get("modelId"): words_in(point)
        for point in model.iter("{*}pt")
        if point.get("type", "node") in {"node", "asst", "doc"}
    }
    children: dict[str, list[str]] = {}
    links = [one for one in model.iter("{*}cxn") if one.get("type", "parOf") == "parOf"]
    for link in sorted(links, key=lambda one: int(one.get("srcOrd", "0"))):
        children.setdefault(link.get("srcId"), []).append(link.get("destId"))
    inner = {child for several in children.values() for child in several}
    seen: set[str] = set()

    def lines(point: str, level: int) -> Iterator[str]:
        if point in seen or point not in texts:
            return
        seen.add(point)
        if texts[point]:
            yield markdown.item(level, texts[point])
        for child in children.get(point, ()):
            yield from lines(child, level + bool(texts[point]))

    return "\n".join(line for point in texts if point not in inner for line in lines(point, 0))
