"""Charts of Office files (DrawingML, ECMA-376-1, 21.2; [MS-ODRAWXML]): their title and data as a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from lxml import etree

from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.drawing_text import words_in

NUMBER_DIGITS = ".15g"
EXTENDED = "http://schemas.microsoft.com/office/drawing/2014/chartex"
"""Namespace of the newer kinds: waterfall, treemap, sunburst, funnel, histogram ([MS-ODRAWXML] 2.24.3)."""

NOT_CODE = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|[_*].')
"""What a number format shows as it is."""
START, LATE_START = datetime(1899, 12, 30), datetime(1904, 1, 1)
"""Day 0 of workbooks (ISO/IEC 29500-1, 18.17.4.1)."""
AXES = ("{*}catAx", "{*}dateAx", "{*}valAx", "{*}serAx", "{*}axis")

Points = dict[int, str]
"""Texts of points by their index."""


@dataclass(frozen=True)
class Series:
    """What a chart draws in one colour: its name, the label of each point, its value."""

    name: str
    labels: Points
    values: Points


def chart_text(root: etree._Element, with_data: bool = True) -> str:
    """A chart as `Chart: title`, and what it draws as a table: a row a category, a column a series.

    Args:
        root: the chart's XML.
        with_data: whether the data is wanted; otherwise the names of the series stand behind the title.
    """
    series = series_of(root)
    title, corner = titles_of(root)
    if not with_data:
        words = [title, ", ".join(one.name for one in series if one.name)]
        return "Chart: " + ": ".join(filter(None, words)) if any(words) else ""
    labels, places = labels_of(series)
    rows = [
        [corner, *(one.name for one in series)],
        *([labels.get(at, ""), *(one.values.get(at, "") for one in series)] for at in places),
    ]
    head = markdown.paragraph(f"Chart: {title}" if title else "Chart:")
    return f"{head}\n\n{markdown.table(rows)}".rstrip("\n") if places else (head if title else "")


def chart_line(root: etree._Element) -> str:
    """A chart with its data in one line, to stand in a cell: `Chart: title: series: category value, ...`."""
    series = series_of(root)
    labels, places = labels_of(series)
    said = []
    for one in series:
        points = [" ".join([labels.get(at, ""), one.values[at]]).strip() for at in places if at in one.values]
        said.append(": ".join(filter(None, [one.name, ", ".join(points)])))
    title, _ = titles_of(root)
    words = ": ".join(filter(None, [title, "; ".join(filter(None, said))]))
    return f"Chart: {words}" if words else ""


def labels_of(series: Sequence[Series]) -> tuple[Points, list[int]]:
    """The labels of all points, and the places where there are some or values, in order."""
    labels: Points = {}
    for one in series:
        labels |= one.labels
    return labels, sorted(set(labels).union(*(one.values for one in series)))


def titles_of(root: etree._Element) -> tuple[str, str]:
    """The title of a chart, those of value axes in parentheses; and the title of its categories' axis."""
    across, others = axis_titles(root)
    return " ".join(filter(None, [title_of(root), f"({others})" if others else ""])), across


def axis_titles(root: etree._Element) -> tuple[str, str]:
    """The title of the axis of categories, or of x; and those of the others."""
    titles = {
        axis: title
        for axis in root.iter(*AXES)
        if (found := axis.find("{*}title")) is not None and (title := words_in(found))
    }
    named = any(True for _ in root.iter(*AXES[:2]))
    across: list[str] = []
    others: list[str] = []
    for axis, title in titles.items():
        place = axis.find("{*}axPos")
        level = place is not None and place.get("val") in {"b", "t"}
        is_first = axis.tag.endswith(("}catAx", "}dateAx")) if named else level
        (across if is_first else others).append(title)
    return "; ".join(dict.fromkeys(across)), "; ".join(dict.fromkeys(others))


def series_of(root: etree._Element) -> list[Series]:
    """The series of a chart."""
    if etree.QName(root).namespace == EXTENDED:
        data = {one.get("id", ""): one for one in root.iter("{*}data")}
        return [extended_series(one, data) for one in root.iter("{*}series")]
    return [
        Series(
            " ".join(point_texts(one.find("{*}tx")).values()),
            point_texts(first(one, "cat", "xVal")),
            point_texts(first(one, "val", "yVal")),
        )
        for one in root.iter("{*}ser")
    ]


def extended_series(series: etree._Element, data: Mapping[str, etree._Element]) -> Series:
    """A series of a newer kind of chart, whose data stands apart."""
    name = series.findtext("{*}tx/{*}txData/{*}v") or "".join(series.itertext("{*}t"))
    place = series.find("{*}dataId")
    found = data.get(place.get("val", "")) if place is not None else None
    dimensions = list(found) if found is not None else []
    labels = next((one for one in dimensions if one.tag.endswith("}strDim")), None)
    values = next((one for one in dimensions if one.tag.endswith("}numDim")), None)
    return Series(" ".join(name.split()), point_texts(labels), point_texts(values))


def title_of(root: etree._Element) -> str:
    """The title of a chart in one line; empty where it is made of the series' name."""
    title = root.find(".//{*}chart/{*}title")
    return words_in(title) if title is not None else ""


def first(series: etree._Element, *names: str) -> etree._Element | None:
    """The first of some parts that a series has."""
    return next((found for name in names if (found := series.find("{*}" + name)) is not None), None)


def point_texts(part: etree._Element | None) -> Points:
    """The points of a part of a series by their index; levels of categories are joined, the widest first."""
    found: Points = {}
    if part is None:
        return found
    code = part.findtext(".//{*}formatCode") or ""
    levels = list(part.iter("{*}lvl")) or [part]
    for inner, level in enumerate(levels):
        texts = dict(indexed(level))
        if is_date(level.get("formatCode", code)):
            texts = {at: date_of(text, part) for at, text in texts.items()}
        if inner:
            # The name of a group stands at its first point only.
            texts = carried(texts, found)
        found |= {at: f"{text} {found[at]}" if at in found else text for at, text in texts.items()}
    if not found and (literal := part.findtext("{*}v")):
        found[0] = literal.strip()
    return found


def indexed(level: etree._Element) -> Iterator[tuple[int, str]]:
    """The points below an element that say something, with their index."""
    for point in level.iter("{*}pt"):
        index = point.get("idx", "")
        text = " ".join((point.text or "".join(point.itertext("{*}v"))).split())
        if index.isdigit() and text:
            yield int(index), tidy(text)


def carried(texts: Points, places: Iterable[int]) -> Points:
    """Texts at their places and all that follow, until the next text."""
    found: Points = {}
    last = ""
    for at in sorted({*texts, *places}):
        last = texts.get(at, last)
        if last:
            found[at] = last
    return found


def tidy(text: str) -> str:
    """A number without the noise of binary fractions; other texts as they are."""
    try:
        number = float(text)
    except ValueError:
        return text
    return format(number, NUMBER_DIGITS) if "." in text else text


def is_date(code: str) -> bool:
    """Whether a number format shows numbers as dates."""
    return re.search("[dmy]", NOT_CODE.sub("", code), re.IGNORECASE) is not None


def date_of(text: str, part: etree._Element) -> str:
    """A day's number as a date, with its time if it has one; other texts as they are."""
    first_day = part.getroottree().getroot().find("{*}date1904")
    late = first_day is not None and first_day.get("val", "1") in {"1", "true"}
    try:
        day = (LATE_START if late else START) + timedelta(days=float(text))
    except (ValueError, OverflowError):
        return text
    rounded = (day + timedelta(milliseconds=500)).replace(microsecond=0)
    return rounded.strftime("%Y-%m-%d" if rounded.time() == time.min else "%Y-%m-%d %H:%M:%S")
