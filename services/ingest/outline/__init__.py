"""The outline of a text: its headings, and what else says where it may be cut."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import numpy as np

from services.ingest.formats import LANGUAGES
from services.ingest.outline import markdown, plain
from services.ingest.outline.layout import Heading, Layout, Span, Spans, Tables, Titles
from services.ingest.outline.lines import lines_of
from services.ingest.outline.native import scan

MOST_HEADINGS = 100_000

__all__ = ["Heading", "Layout", "Span", "Spans", "Tables", "headings_in", "headings_of", "layout_of"]


def layout_of(text: str, syntax: str = "markdown") -> Layout:
    """The layout of a text, by what it is: `markdown`, or else lines of text with the headings of books."""
    lines = lines_of(text)
    return markdown.layout_of(lines) if syntax == "markdown" else plain.layout_of(lines)


def headings_of(text: str, syntax: str) -> tuple[Sequence[Heading], Tables]:
    """Headings and tables of a text; the headings of source code are its definitions."""
    if syntax in LANGUAGES:
        # Loading grammars takes time, which texts need not spend.
        return import_module("services.ingest.outline.code").definitions(text, syntax), Tables()
    layout = layout_of(text, syntax)
    return headings_in(layout, syntax), layout.tables


def headings_in(layout: Layout, syntax: str) -> Sequence[Heading]:
    """Headings of a text that is no source code."""
    lines, titles = layout.lines, fewer(layout.titles)
    starts = lines.starts[titles.lines]
    if scan is not None and syntax == "markdown":
        behind, names = scan.titles(lines.text, starts)
        ends = np.frombuffer(behind, np.int32).tolist()
        others = np.flatnonzero(titles.behind - titles.lines > 1).tolist()
    else:
        ends, names = [0] * len(starts), [""] * len(starts)
        others = list(range(len(starts)))
    title_at = markdown.title_at if syntax == "markdown" else str.strip
    for index in others:
        start, end = starts.item(index), lines.after(titles.behind.item(index) - 1)
        ends[index], names[index] = end, title_at(lines.text[start:end])
    return list(map(Heading, starts.tolist(), ends, titles.levels.tolist(), names))


def fewer(titles: Titles) -> Titles:
    """The headings of the upper levels, if there are more than an outline has."""
    while len(titles.levels) > MOST_HEADINGS:
        kept = titles.levels < titles.levels.max()
        titles = Titles(titles.lines[kept], titles.behind[kept], titles.levels[kept])
    return titles
