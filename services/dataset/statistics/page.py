"""The report: statistics of a version as one HTML page that needs nothing else, for people in a hurry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from services.dataset.statistics import charts
from services.dataset.statistics.statistics import Covered, DatasetStatistics, Facet, Figures, Value
from services.dataset.statistics.words import WORDS, Words
from services.dataset.versions.options import DatasetOptions, options_json
from services.dataset.versions.versions import SPLITS, DatasetVersion

LENGTHS = ("question", "answer", "reasoning", "example", "tokens")
FACETS = ("tag", "question_type", "kind", "language", "label", "source")
LONGEST = 15
"""Values of a facet that are shown."""


def page(project: str, version: DatasetVersion, statistics: DatasetStatistics, language: str) -> str:
    """The page.

    Args:
        project: its name.
        version: the version.
        statistics: those of the version, with their figures.
        language: `en` or `zh`.
    """
    figures, words = statistics.figures, WORDS[language]
    assert figures is not None  # noqa: S101  # they are ready
    return template().render(
        charts=charts,
        documents=figures.documents,
        facets=[shown for name in FACETS if (shown := told(figures.facet(name), words))],
        figures=figures,
        headline=headline(project, version, figures, words),
        lengths=[name for name in LENGTHS if figures.lengths.get(name, {}).get("count")],
        made=minutes(version.create_time),
        names=names_of(figures.documents),
        options=options_told(version.options),
        percent=percent,
        project=project,
        quantile=quantile,
        sides=[side for side in SPLITS if side in figures.split_counts],
        statistics=statistics,
        studied=minutes(statistics.create_time),
        version=version,
        words=words,
    )


@cache
def template() -> Template:
    """The template of the page; whatever is put in is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")


def headline(project: str, version: DatasetVersion, figures: Figures, words: Words) -> list[str]:
    """What matters most, in sentences."""
    found = [
        holds(project, version, figures, words),
        about(figures, words),
        *bare(figures, words),
        *sides_line(figures, words),
        *left_out(version.dropped_counts, words),
    ]
    if figures.mean_score is not None:
        found.append(words.text("score_line", mean=f"{figures.mean_score:.1f}"))
    return found


def holds(project: str, version: DatasetVersion, figures: Figures, words: Words) -> str:
    """How many examples there are, and for what."""
    counts = figures.split_counts
    sides = [words.text(f"{side}_side", count=f"{counts[side]:,}") for side in SPLITS if counts.get(side)]
    return words.text(
        "head",
        number=version.number,
        project=project,
        examples=words.count("example", figures.examples),
        sides=words.text("sides", sides=words.listed(sides)) if len(sides) > 1 else "",
    )


def about(figures: Figures, words: Words) -> str:
    """How much of the documents is used."""
    whole, used = figures.all_documents, sum(bool(one.examples and one.name) for one in figures.documents)
    known = sum(bool(one.name) for one in figures.documents) + figures.more_documents
    if not known:
        return words.text("no_documents")
    if not used:
        return words.text("about_nothing")
    return words.text(
        "about",
        used=f"{used:,}",
        documents=words.count("document", known),
        passages_used=f"{whole.chunks_used:,}",
        passages=words.count("passage", whole.chunks),
        share=percent(whole.chunks_used, whole.chunks),
    )


def bare(figures: Figures, words: Words) -> list[str]:
    """How many documents have no example."""
    count = sum(not one.examples for one in figures.documents)
    used = any(one.examples and one.name for one in figures.documents)
    if not count or not used:
        return []
    return [words.text("bare_one" if count == 1 else "bare", documents=words.count("document", count))]


def sides_line(figures: Figures, words: Words) -> list[str]:
    """Whether the exam asks what is trained on."""
    if figures.copies.crossing_groups:
        return [words.text("crossing", groups=words.count("group", figures.copies.crossing_groups))]
    counts = figures.split_counts
    return [words.text("clean")] if counts.get("exam") and counts.get("train") else []


def left_out(dropped: Mapping[str, int], words: Words) -> list[str]:
    """How many are left out, and why most of them."""
    if not sum(dropped.values()):
        return []
    reason = max(dropped, key=lambda each: (dropped[each], each))
    count = words.count("example", sum(dropped.values()))
    return [words.text("left_out", count=count, reason=words.name(reason))]


def told(facet: Facet, words: Words) -> dict[str, Any] | None:
    """A facet as it is shown; nothing where it says nothing."""
    values = facet.values[:LONGEST]
    if not values:
        return None
    hidden = facet.more + len(facet.values) - len(values)
    return {
        "title": words.name(facet.facet),
        "rows": [(named(facet.facet, value, words), value) for value in values],
        "most": max(value.total for value in values),
        "without": facet.without,
        "more": words.count("other", hidden) if hidden else "",
    }


def named(facet: str, value: Value, words: Words) -> str:
    """What people call a value; of ids some letters tell it apart."""
    if facet in {"tag", "label"}:
        return value.name or value.value
    kind, _, one = value.value.partition(":")
    # A line may end before the dots, not after them.
    return f"{words.name(kind)} …\u2060{one[-8:]}" if one and facet == "source" else words.name(value.value)


def names_of(documents: Sequence[Covered]) -> dict[str, str]:
    """The names of documents by id."""
    return {one.document_id: one.name for one in documents if one.name}


def options_told(options: DatasetOptions) -> dict[str, str]:
    """How the version was made: what is not empty."""
    values = options_json(options)
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
        if value or name == "seed"
    }


def percent(part: int, whole: int) -> str:
    """A share; all and nothing are said only where it is so."""
    if not whole:
        return "–"
    rounded = round(100 * part / whole)
    if part and not rounded:
        return "< 1 %"
    return f"{99 if rounded == 100 and part < whole else rounded} %"


def quantile(lengths: Mapping[str, Any], share: float) -> str:
    """The length below which a share is."""
    return f"{dict(map(tuple, lengths['quantiles']))[share]:,}"


def minutes(time: datetime) -> str:
    """A time, as people read it."""
    return f"{time:%Y-%m-%d %H:%M}"
