"""The pictures of the report as SVG, so that it needs no other file and no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from services.dataset.versions.versions import SPLITS

WIDTH, HEIGHT = 360, 150
TOP, BOTTOM = 18, 22
GAP = 3
MOST_LABELS = 8
COLOURS = {
    "train": "#2f6fde",
    "validation": "#8a63d2",
    "exam": "#e08a1e",
    "rest": "#e3e8ef",
    "fill": "#2f6fde",
}
"""Of light pages, and of programs that know no style sheets in pictures; a dark page has its own."""


def lengths_chart(bins: Mapping[str, int], title: str) -> Markup:
    """How many there are of each length.

    Args:
        bins: counts of lengths from a power of two up to the next, by that power; 0 has its own.
        title: what it shows, for those who do not see it.
    """
    counts = {int(power): count for power, count in bins.items()}
    if not counts:
        return Markup("")
    powers = [0] if 0 in counts else []
    least, most = max(1, min(each for each in counts if each or len(counts) == 1) or 1), max(1, *counts)
    while least <= most:
        powers.append(least)
        least *= 2
    return columns([(short(power), counts.get(power, 0)) for power in powers], title)


def scores_chart(counts: Mapping[str, int], title: str) -> Markup:
    """How many there are of each score in whole points."""
    return columns([(str(point), counts.get(str(point), 0)) for point in range(6)], title)


def columns(bars: Sequence[tuple[str, int]], title: str) -> Markup:
    """Bars side by side, each with its name below; the highest tells its number."""
    most = max(count for _, count in bars) or 1
    step = WIDTH / len(bars)
    every = -(-len(bars) // MOST_LABELS)
    parts = []
    for place, (name, count) in enumerate(bars):
        height = (HEIGHT - TOP - BOTTOM) * count / most
        x, y = place * step, HEIGHT - BOTTOM - height
        middle = x + step / 2
        parts.append(
            f'<rect {paint("fill")} x="{x + GAP / 2:.1f}" y="{y:.1f}" width="{step - GAP:.1f}" '
            f'height="{height:.1f}" rx="2">'
            f"<title>{escape(name)}: {count:,}</title></rect>"
        )
        if count == most:
            anchor = "start" if place == 0 else "end" if place == len(bars) - 1 else "middle"
            edge = x if place == 0 else x + step if place == len(bars) - 1 else middle
            parts.append(
                f'<text x="{edge:.1f}" y="{y - 5:.1f}" font-size="13" text-anchor="{anchor}">{count:,}</text>'
            )
        if place % every == 0:
            parts.append(
                f'<text class="name" x="{middle:.1f}" y="{HEIGHT - 6}" font-size="13" text-anchor="middle">'
                f"{escape(name)}</text>"
            )
    ground = HEIGHT - BOTTOM
    line = f'<line class="axis" stroke="#dde2e9" x1="0" x2="{WIDTH}" y1="{ground}" y2="{ground}"/>'
    body = "".join(parts)
    # Names are escaped; all else are our own numbers.
    return Markup(  # noqa: S704
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{body}{line}</svg>"
    )


def sides_bar(counts: Mapping[str, int], most: int) -> Markup:
    """A bar as long as its share of the longest, in the colours of the splits."""
    at, parts = 0.0, []
    for side in SPLITS:
        width = 100 * counts.get(side, 0) / most if most else 0.0
        if width:
            parts.append(
                f'<rect {paint(side)} x="{at:.2f}" y="0" width="{max(width, 0.4):.2f}" height="10"/>'
            )
        at += width
    return bar("".join(parts))


def share_bar(part: int, whole: int) -> Markup:
    """How much of a whole."""
    width = 100 * part / whole if whole else 0.0
    return bar(
        f'<rect {paint("rest")} x="0" y="0" width="100" height="10"/>'
        f'<rect {paint("fill")} x="0" y="0" width="{width:.2f}" height="10"/>'
    )


def patch(side: str) -> Markup:
    """A square in the colour of a split."""
    return Markup(f'<rect {paint(side)} width="10" height="10"/>')  # noqa: S704  # one of our names


def paint(name: str) -> str:
    """A colour, as class and by itself."""
    return f'class="{name}" fill="{COLOURS[name]}"'


def bar(body: str) -> Markup:
    """A bar that is as wide as its place."""
    # Our own numbers.
    return Markup(  # noqa: S704
        f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{body}</svg>'
    )


def short(number: int) -> str:
    """A power of two in few letters."""
    for unit, size in (("M", 1 << 20), ("k", 1 << 10)):
        if number >= size:
            return f"{number // size}{unit}"
    return str(number)
