"""The outline of a text: its headings, and what else says where it may be cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from importlib import import_module

from services.ingest.formats import LANGUAGES
from services.ingest.outline import markdown, plain
from services.ingest.outline.layout import Heading, Layout, Span, Spans, Tables, Titles
from services.ingest.outline.lines import lines_of

MOST_HEADINGS = 100_000

__all__ = ["Heading", "Layout", "Span", "Spans", "Tables", "headings_of", "layout_of"]


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
    lines, titles = layout.lines, fewer(layout.titles)
    headings = []
    for line, behind, level in zip(*(numbers.tolist() for numbers in astuple(titles)), strict=True):
        start, end = lines.starts.item(line), lines.after(behind - 1)
        title = text[start:end].strip() if syntax != "markdown" else markdown.title_at(text[start:end])
        headings.append(Heading(start, end, level, title))
    return headings, layout.tables


def fewer(titles: Titles) -> Titles:
    """The headings of the upper levels, if there are more than an outline has."""
    while len(titles.levels) > MOST_HEADINGS:
        kept = titles.levels < titles.levels.max()
        titles = Titles(titles.lines[kept], titles.behind[kept], titles.levels[kept])
    return titles
