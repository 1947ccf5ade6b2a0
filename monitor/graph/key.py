"""The legend of a panel with several lines: for each a short stroke in its dash style, and its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.graph import style
from monitor.graph.panel import colors
from monitor.graph.sheet import Pen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.data import Metric
    from monitor.graph.sheet import Sheet

# There are four colours and dash styles.
MOST_LINES = 4
STROKE, BETWEEN, ROW = 26, 22, 17
INDENT = STROKE + 6


def draw_stroke(canvas: Sheet, at: tuple[float, float], index: int, color: str) -> None:
    """Draw a short stroke in the style of the line with this index, with (x, y) on the text base line."""
    x, y = at
    stroke = canvas.area((x, y - 8, STROKE, 8), (0, 1), (0, 1))
    stroke.lines([[(0, 0.5), (1, 0.5)]], color, 2, 3, style.DASHES[index % len(style.DASHES)])


def draw_key(
    canvas: Sheet, at: tuple[float, float], metric: Metric, names: Sequence[str], room: float | None = None
) -> None:
    """Write the names of lines side by side or, given `room`, one below the other, each no wider than that."""
    x, y = at
    for index, (name, color) in enumerate(zip(names, colors(metric, len(names)), strict=True)):
        text_style = Pen(style.SMALL_SIZE, color)
        draw_stroke(canvas, (x, y), index, color)
        canvas.text((x + INDENT, y), name, text_style, room and room - INDENT)
        if room:
            y += ROW
        else:
            x += INDENT + canvas.width_of(name, text_style) + BETWEEN
