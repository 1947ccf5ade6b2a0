"""The key of a panel with several lines: a short stroke and a name each."""

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


def draw_key(
    sheet: Sheet, at: tuple[float, float], metric: Metric, names: Sequence[str], *, rows: bool = False
) -> None:
    """Write the names of lines beside each other, or in rows below each other."""
    x, y = at
    for index, (name, color) in enumerate(zip(names, colors(metric, len(names)), strict=True)):
        pen = Pen(style.SMALL_SIZE, color)
        stroke = sheet.area((x, y - 8, STROKE, 8), (0, 1), (0, 1))
        stroke.lines([[(0, 0.5), (1, 0.5)]], color, 2, 3, style.DASHES[index % len(style.DASHES)])
        sheet.text((x + STROKE + 6, y), name, pen)
        if rows:
            y += ROW
        else:
            x += STROKE + 6 + sheet.width_of(name, pen) + BETWEEN
