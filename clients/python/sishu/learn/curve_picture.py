"""The loss curves of runs as a picture: training loss, validation loss, learning rate over the steps."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sishu.learn.curves import Curves, smoothed, span_of

INCHES = (9.0, 6.0)
DOTS_PER_INCH = 120
HEIGHTS = (3, 1)
"""Of losses and learning rates."""
KINDS = (".png", ".svg", ".pdf")
COLOURS = ("#2f6fde", "#e08a1e", "#1a9e77", "#c2417c", "#8a63d2", "#7a7f87")
CHINESE_FONTS = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "SimHei")
"""One of them is used where it is installed, as matplotlib's own fonts have no Chinese."""


@dataclass(frozen=True)
class DrawnRun:
    """A run in a picture.

    Args:
        name: what it is called.
        curves: its steps.
        best_step: step with the lowest validation loss; 0 where there is none.
    """

    name: str
    curves: Curves
    best_step: int = 0


def draw_runs(runs: Sequence[DrawnRun], words: Mapping[str, str], out: Path) -> None:
    """Draw the curves of runs over each other; every run has its colour.

    Args:
        runs: one or more.
        words: names of what is shown: `step`, `loss`, `rate`, `train`, `validation`, `best`.
        out: `.png`, `.svg` or `.pdf`.
    """
    fonts = [*chinese_fonts(), "DejaVu Sans"]
    with rc_context({"font.family": fonts, "svg.fonttype": "none"}), warnings.catch_warnings():
        # Letters that no font here has, in a name that somebody gave: a box stands in their place.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
        losses, rates = figure.subplots(2, sharex=True, height_ratios=HEIGHTS)
        for number, run in enumerate(runs):
            _draw(losses, rates, run, COLOURS[number % len(COLOURS)], words, alone=len(runs) == 1)
        _label(losses, rates, runs, words)
        figure.savefig(out)


def _draw(
    losses: Axes, rates: Axes, run: DrawnRun, colour: str, words: Mapping[str, str], *, alone: bool
) -> None:
    loss, validation, rate = run.curves.loss, run.curves.validation, run.curves.rate
    if not loss:
        return
    before = "" if alone else f"{plain(run.name)}: "
    losses.plot(*columns(loss), color=colour, alpha=0.18, linewidth=0.8)
    losses.plot(*columns(smoothed(loss)), color=colour, linewidth=1.8, label=f"{before}{words['train']}")
    if validation:
        name = f"{before}{words['validation']}"
        losses.plot(*columns(validation), color=colour, linestyle="--", marker="o", markersize=4, label=name)
    at_best = [point for point in validation if point[0] == run.best_step]
    if at_best:
        name = f"{before}{words['best']} ({words['step']} {run.best_step}: {at_best[0][1]:.4g})"
        losses.plot(*columns(at_best), color=colour, linestyle="", marker="*", markersize=14, label=name)
    rates.plot(*columns(rate), color=colour, linewidth=1.2)


def _label(losses: Axes, rates: Axes, runs: Sequence[DrawnRun], words: Mapping[str, str]) -> None:
    shown = [point for run in runs for point in smoothed(run.curves.loss) + run.curves.validation]
    if shown:
        losses.set_ylim(*span_of(shown))
        losses.legend(frameon=False)
    if len(runs) == 1:
        losses.set_title(plain(runs[0].name))
    losses.set_ylabel(words["loss"])
    rates.set_ylabel(words["rate"])
    rates.set_xlabel(words["step"])
    rates.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    for axes in (losses, rates):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)


def plain(name: str) -> str:
    """A name as it is: a dollar begins no formula, an underscore hides no label."""
    return name.replace("$", r"\$").replace("_", "\u200b_", name.startswith("_"))


def columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    """Steps and values of points."""
    return [step for step, _ in points], [value for _, value in points]


def chinese_fonts() -> list[str]:
    """The first of the fonts with Chinese that is installed, if there is one."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in CHINESE_FONTS if name in installed][:1]
