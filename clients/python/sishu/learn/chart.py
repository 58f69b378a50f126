"""The loss curve as SVG, so that the report needs no other file and no script."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 36
SMOOTHING = 0.8
TICKS = 5


def loss_chart(points: Sequence[tuple[int, float]], x_name: str, y_name: str) -> Markup:
    """Draw loss over steps: every step faint, an exponential moving average strong."""
    if not points:
        return Markup("")
    last, top = points[-1][0], max(loss for _, loss in points) or 1.0

    def place(step: int, loss: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (step - 1) / max(1, last - 1)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - loss / top)
        return f"{x:.1f},{y:.1f}"

    raw = " ".join(place(step, loss) for step, loss in points)
    smooth = " ".join(place(step, loss) for step, loss in smoothed(points))
    marks = "".join(grid(place, last, top, tick / (TICKS - 1)) for tick in range(TICKS))
    names = (
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">{x_name}</text>'
        f'<text x="12" y="{HEIGHT / 2}" text-anchor="middle" '
        f'transform="rotate(-90 12 {HEIGHT / 2})">{y_name}</text>'
    )
    # Only our own numbers and words go in.
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{marks}{names}'
        f'<polyline class="raw" points="{raw}"/><polyline class="smooth" points="{smooth}"/></svg>'
    )


def smoothed(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Exponential moving average of the loss."""
    found, mean = [], points[0][1]
    for step, loss in points:
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.append((step, mean))
    return found


def grid(place: Callable[[int, float], str], last: int, top: float, share: float) -> str:
    """One horizontal line with its loss, and one step below the axis."""
    loss, step = top * share, 1 + round((last - 1) * share)
    y = place(1, loss).split(",")[1]
    x = place(step, 0).split(",")[0]
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text x="{LEFT - 6}" y="{y}" dy="4" text-anchor="end">{loss:.2f}</text>'
        f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{step}</text>'
    )
