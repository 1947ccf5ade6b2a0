"""The key of a panel with several lines: a short stroke, in the dash of its line, and a name each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.graph import style
from monitor.graph.panel import colors
from monitor.graph.sheet import Pen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.data import Metric
    from monitor.graph.sheet import Sheet

# As many as there are colours and dashes.
MOST_LINES = 4
STROKE, BETWEEN, ROW = 26, 22, 17
INDENT = STROKE + 6


def draw_stroke(sheet: Sheet, at: tuple[float, float], index: int, color: str) -> None:
    """Draw a short piece of the line with this index, left of a text on the base line at (x, y)."""
    x, y = at
    stroke = sheet.area((x, y - 8, STROKE, 8), (0, 1), (0, 1))
    stroke.lines([[(0, 0.5), (1, 0.5)]], color, 2, 3, style.DASHES[index % len(style.DASHES)])


def draw_key(  # noqa: PLR0913  where, of what, and how
    sheet: Sheet,
    at: tuple[float, float],
    metric: Metric,
    names: Sequence[str],
    *,
    rows: bool = False,
    room: float | None = None,
) -> None:
    """Write the names of lines beside each other, or in rows below each other, each no wider than `room`."""
    x, y = at
    for index, (name, color) in enumerate(zip(names, colors(metric, len(names)), strict=True)):
        pen = Pen(style.SMALL_SIZE, color)
        draw_stroke(sheet, (x, y), index, color)
        sheet.text((x + INDENT, y), name, pen, room and room - INDENT)
        if rows:
            y += ROW
        else:
            x += INDENT + sheet.width_of(name, pen) + BETWEEN
