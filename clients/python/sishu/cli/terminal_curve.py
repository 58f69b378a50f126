"""The loss curves of a run as characters."""

from __future__ import annotations

import plotille

from sishu.cli.texts import say
from sishu.learn.curves import Curves, smoothed, span_of, thinned

LEAST_WIDTH = 40
MARGIN = 24
"""Columns beside the curve, for the losses of its lines and the name of its axis."""
LINES = 12
POINTS = 400
FEWEST = 2


def loss_curve(curves: Curves, columns: int, coloured: bool) -> str:
    """Training loss, smoothed, and validation loss over the steps; empty before there are two steps.

    Args:
        curves: of the run.
        columns: of the screen.
        coloured: whether it may have escape sequences.
    """
    loss = thinned(smoothed(curves.loss), POINTS)
    if len(loss) < FEWEST:
        return ""
    validation = curves.validation
    figure = plotille.Figure()
    figure.width, figure.height = max(LEAST_WIDTH, columns - MARGIN), LINES
    figure.with_colors, figure.color_mode = coloured, "names"
    figure.x_label, figure.y_label = say("curve_step"), say("curve_loss")
    figure.register_label_formatter(float, lambda value, chars, *_, **__: f"{value:.4g}".rjust(chars))
    figure.register_label_formatter(int, lambda value, chars, *_, **__: f"{value:.4g}".rjust(chars))
    low, high = span_of(loss + validation)
    figure.set_y_limits(min_=low, max_=high)
    figure.set_x_limits(min_=float(loss[0][0]), max_=float(max(loss[-1][0], loss[0][0] + 1)))
    figure.plot(*zip(*loss, strict=True), lc="blue", label=say("curve_train"))
    if validation:
        figure.plot(*zip(*validation, strict=True), lc="magenta", label=say("curve_validation"), marker="o")
    drawing = figure.show()
    return f"{drawing}\n{legend(bool(validation), coloured)}"


def legend(validated: bool, coloured: bool) -> str:
    """What the lines are."""
    lines = [("⠤⠤", "blue", "curve_train")] + [("⠤o⠤", "magenta", "curve_validation")] * validated
    painted = [(plotille.color(line, fg=colour, no_color=not coloured), name) for line, colour, name in lines]
    return "   ".join(f"{line} {say(name)}" for line, name in painted)
