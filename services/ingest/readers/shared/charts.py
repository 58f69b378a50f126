"""Charts of Office files (DrawingML, ECMA-376-1, 21.2): their title and data as a table."""

from __future__ import annotations

from lxml import etree

from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.drawing_text import words_in

NUMBER_DIGITS = ".15g"


def chart_text(root: etree._Element, with_data: bool = True) -> str:
    """A chart as `Chart: title`, and what it draws as a table: a row a category, a column a series.

    Args:
        root: the chart's XML.
        with_data: whether the data is wanted; otherwise the names of the series stand behind the title.
    """
    title = title_of(root)
    series = list(root.iter("{*}ser"))
    names = [" ".join(point_texts(one.find("{*}tx")).values()) for one in series]
    if not with_data:
        words = [title, ", ".join(filter(None, names))]
        return "Chart: " + ": ".join(filter(None, words)) if any(words) else ""
    columns = [point_texts(first(one, "val", "yVal")) for one in series]
    labels: dict[int, str] = {}
    for one in series:
        labels |= point_texts(first(one, "cat", "xVal"))
    places = sorted(set(labels).union(*columns))
    rows = [
        ["", *names],
        *([labels.get(at, ""), *(column.get(at, "") for column in columns)] for at in places),
    ]
    head = markdown.paragraph(f"Chart: {title}" if title else "Chart:")
    return f"{head}\n\n{markdown.table(rows)}".rstrip("\n") if places else (head if title else "")


def title_of(root: etree._Element) -> str:
    """The title of a chart in one line; empty where it is made of the series' name."""
    title = root.find(".//{*}chart/{*}title")
    return words_in(title) if title is not None else ""


def first(series: etree._Element, *names: str) -> etree._Element | None:
    """The first of some parts that a series has."""
    return next((found for name in names if (found := series.find("{*}" + name)) is not None), None)


def point_texts(part: etree._Element | None) -> dict[int, str]:
    """The points of a part of a series by their index; levels of categories are joined."""
    found: dict[int, str] = {}
    if part is None:
        return found
    for point in part.iter("{*}pt"):
        index = point.get("idx", "")
        text = " ".join("".join(point.itertext("{*}v")).split())
        if index.isdigit() and text:
            place = int(index)
            found[place] = f"{tidy(text)} {found[place]}" if place in found else tidy(text)
    if not found and (literal := part.findtext("{*}v")):
        found[0] = literal.strip()
    return found


def tidy(text: str) -> str:
    """A number without the noise of binary fractions; other texts as they are."""
    try:
        number = float(text)
    except ValueError:
        return text
    return format(number, NUMBER_DIGITS) if "." in text else text
