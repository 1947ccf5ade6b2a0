"""One row per group: for each metric a bar from the 5th to the 95th percentile with a mark at the median."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.graph import style, words
from monitor.graph.box import Box
from monitor.graph.data import SPEED, Metric
from monitor.graph.scale import scale
from monitor.graph.sheet import Pen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.graph.groups import Group
    from monitor.graph.scale import Scale
    from monitor.graph.sheet import Sheet

HEADING = Pen(style.TEXT_SIZE, style.INK, bold=True)
UNIT = Pen(style.TEXT_SIZE, style.QUIET)
NAME = Pen(style.TEXT_SIZE, style.INK, bold=True)
COUNT = Pen(style.SMALL_SIZE, style.QUIET)
VALUE = Pen(style.SMALL_SIZE, style.INK)
TICK = Pen(style.SMALL_SIZE, style.QUIET, align="center")
PLAN = Pen(style.SMALL_SIZE, style.PLAN, align="right")
MOST, HEADING_HEIGHT, AXIS_HEIGHT, MOST_ROW, GAP, VALUE_WIDTH = 12, 26, 26, 64, 36, 52
# The name of a group stands above its bars.
NAME_HEIGHT = 19
READING = ("Bar: 5th to 95th percentile; mark and number: median.", "Dashed: the plan.")


def draw(
    canvas: Sheet, box: Box, group_list: Sequence[Group], promised_by_metric: Mapping[Metric, float | None]
) -> float:
    """Draw the first `MOST` groups into a box, at most as high as it; return the y at which they end."""
    shown = group_list[:MOST]
    room = box.height - HEADING_HEIGHT - AXIS_HEIGHT
    row = min(room / max(len(shown), 1), MOST_ROW)
    width = (box.width - GAP * (len(SPEED) - 1)) / len(SPEED)
    for index, metric in enumerate(SPEED):
        place = Box(box.left + index * (width + GAP), box.top + HEADING_HEIGHT, width - VALUE_WIDTH, row * len(shown))
        _draw_metric(canvas, place, metric, shown, promised_by_metric[metric])
    for index, group in enumerate(shown):
        y = box.top + HEADING_HEIGHT + row * index + 15
        count = _counts(group)
        canvas.text((box.left, y), group.name, NAME, room=box.width - canvas.width_of(count, COUNT) - 30)
        x = box.left + min(canvas.width_of(group.name, NAME), box.width - canvas.width_of(count, COUNT) - 30) + 10
        canvas.text((x, y), count, COUNT)
    return box.top + HEADING_HEIGHT + row * len(shown) + AXIS_HEIGHT


def _counts(group: Group) -> str:
    parts = [f"{group.measured:,} result{'' if group.measured == 1 else 's'}"]
    parts += [f"{group.failed:,} failed"] if group.failed else []
    parts += [f"{group.doubtful:,} doubtful left out"] if group.doubtful else []
    return ", ".join(parts)


def _draw_metric(canvas: Sheet, place: Box, metric: Metric, shown: Sequence[Group], promised: float | None) -> None:
    spreads = [group.spreads[metric] for group in shown]
    axis = scale(metric, np.array([spread.p95 for spread in spreads if spread]), promised)
    name = words.NAMES[metric]
    canvas.text((place.left, place.top - 9), name, HEADING)
    canvas.text((place.left + canvas.width_of(name, HEADING) + 6, place.top - 9), axis.unit, UNIT)
    if not shown:
        return
    row = place.height / len(shown)
    area = canvas.area(place, (0, axis.top), (len(shown), 0))
    # The name stands in the upper part of the row, so the bar lies below its middle.
    middle, half = (NAME_HEIGHT + (row - NAME_HEIGHT) / 2) / row, min(6.0, row / 6) / row
    spans = [(place.top + row * index + NAME_HEIGHT, place.top + row * (index + 1)) for index in range(len(shown))]
    _draw_axis(canvas, place, axis, spans)
    for index, spread in enumerate(spreads):
        if spread is None:
            canvas.text((place.left, place.top + row * (index + middle) + 4), "no result", COUNT)
            continue
        top, bottom, right = index + middle - half, index + middle + half, min(spread.p95, axis.top)
        outline = [(spread.p5, top), (right, top), (right, bottom), (spread.p5, bottom)]
        area.shapes([outline], style.METRICS[metric], edge=1, alpha=0.35, zorder=2)
        stroke = [(spread.median, top - half / 2), (spread.median, bottom + half / 2)]
        area.lines([stroke], style.METRICS[metric], 3, zorder=3)
        y = place.top + row * (index + middle) + 4
        canvas.text((place.right + 6, y), words.number(spread.median / axis.divisor), VALUE)
    if promised:
        x = place.left + place.width * promised / axis.top
        canvas.rules([((x, top), (x, bottom)) for top, bottom in spans], style.PLAN, "--")


def _draw_axis(canvas: Sheet, place: Box, axis: Scale, spans: Sequence[tuple[float, float]]) -> None:
    xs = [(tick, place.left + place.width * tick / axis.top) for tick in axis.ticks]
    canvas.rules([((x, top), (x, bottom)) for _, x in xs for top, bottom in spans], style.GRID)
    canvas.rules([((place.left, place.bottom), (place.right, place.bottom))], style.AXIS)
    for tick, x in xs:
        canvas.text((x, place.bottom + 15), words.round_number(tick / axis.divisor), TICK)
