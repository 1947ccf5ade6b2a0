"""Draw how often each speed is reached: the empirical distribution of a metric against the plan."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from monitor.graph import stats, style, words
from monitor.graph.box import Box
from monitor.graph.data import SPEED, Metric, tracks
from monitor.graph.header import draw_title
from monitor.graph.panel import colors
from monitor.graph.scale import scale
from monitor.graph.sheet import Pen
from monitor.graph.timeline import draw_footer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.graph.data import Track, Window
    from monitor.graph.scale import Scale
    from monitor.graph.sheet import Area, Sheet
    from monitor.graph.terms import Terms
    from monitor.model import Run

HEADING = Pen(style.TEXT_SIZE, style.INK, bold=True)
UNIT = Pen(style.TEXT_SIZE, style.QUIET)
LABEL = Pen(style.SMALL_SIZE, style.QUIET, align="right")
TICK = Pen(style.SMALL_SIZE, style.QUIET, align="center")
NOTE = Pen(style.SMALL_SIZE, style.INK)
MIDDLE = Pen(style.TEXT_SIZE, style.QUIET, align="center")
PLAN = Pen(style.SMALL_SIZE, style.PLAN)
LEVELS = (0, 25, 50, 75, 100)
OF_PLAN = (100, 90, 80, 50)
TITLE_HEIGHT, AXIS_HEIGHT, NOTES_WIDTH = 30, 26, 250


def draw_kind(sheet: Sheet, runs: Sequence[Run], window: Window, terms: Terms) -> None:
    """Draw download, upload and latency, one below the other, with the shares to quote beside."""
    found = tracks(runs, window)
    counted = stats.tally(found)
    facts = (words.window_words(window, terms.zone), words.source_words(counted, found))
    top = draw_title(sheet, f"{terms.title}: how often which speed", facts) + style.LINE / 2
    foot = draw_footer(
        sheet, ("Each curve: how many of a hundred tests were no higher than that.", words.doubt_words(counted))
    )
    height = (foot - top) / len(SPEED)
    for index, metric in enumerate(SPEED):
        box = Box(70, top + index * height, sheet.width - 70 - NOTES_WIDTH - style.EDGE, height)
        draw_shares(sheet, box, metric, [stats.values([track], metric) for track in found], terms.sold[metric])
        _notes(sheet, (box.right + 24, box.top + TITLE_HEIGHT + 8), metric, found, terms.sold[metric])


def steps(ordered: Sequence[float], right: float) -> list[tuple[float, float]]:
    """Return the empirical distribution function of ascending values as a line to `right`, in percent."""
    line = [(0.0, 0.0)]
    for rank, value in enumerate(ordered, start=1):
        line += [(value, line[-1][1]), (value, 100 * rank / len(ordered))]
    return [*line, (right, line[-1][1])]


def draw_shares(sheet: Sheet, box: Box, metric: Metric, curves: Sequence[Sequence[float]], sold: float | None) -> Area:
    """Draw one metric's ascending values, a curve each, into a box that includes heading and numbers of both axes."""
    axis = scale(metric, sorted(chain.from_iterable(curves)), sold)
    name = words.NAMES[metric]
    sheet.text((box.left, box.top + TITLE_HEIGHT - 9), name, HEADING)
    after = box.left + sheet.width_of(name, HEADING) + 6
    sheet.text((after, box.top + TITLE_HEIGHT - 9), axis.unit, UNIT)
    plot = Box(box.left, box.top + TITLE_HEIGHT, box.width, box.height - TITLE_HEIGHT - AXIS_HEIGHT)
    area = sheet.area(plot, (0, axis.top), (0, 100))
    area.lines([[(0, level), (axis.top, level)] for level in LEVELS[1:]], style.GRID, 1, zorder=1)
    area.lines([[(tick, 0), (tick, 100)] for tick in axis.ticks], style.GRID, 1, zorder=1)
    area.lines([[(0, 0), (axis.top, 0)]], style.AXIS, 2, zorder=4)
    _numbers(sheet, plot, axis)
    for index, (ordered, color) in enumerate(zip(curves, colors(metric, len(curves)), strict=True)):
        if ordered:
            area.lines([steps(ordered, axis.top)], color, 2, 3, style.DASHES[index % len(style.DASHES)])
    if not any(curves):
        sheet.text((plot.left + plot.width / 2, plot.top + plot.height / 2), "no result", MIDDLE)
    if sold:
        x = plot.left + plot.width * sold / axis.top
        sheet.rules([((x, plot.top), (x, plot.bottom))], style.PLAN, "--")
        label = f"plan {words.round_number(sold / axis.divisor)}"
        # Left of its line, but never over the heading.
        free = after + sheet.width_of(axis.unit, UNIT) + 12
        sheet.text((max(x - sheet.width_of(label, PLAN), free), plot.top - 5), label, PLAN)
    return area


def _colored(found: Sequence[Track], metric: Metric) -> Iterator[tuple[Track, str]]:
    return zip(found, colors(metric, len(found)), strict=True)


def _numbers(sheet: Sheet, plot: Box, axis: Scale) -> None:
    for level in LEVELS:
        sheet.text((plot.left - 8, plot.bottom - plot.height * level / 100 + 4), f"{level} %", LABEL)
    for tick in axis.ticks:
        x = plot.left + plot.width * tick / axis.top
        sheet.text((x, plot.bottom + 15), words.round_number(tick / axis.divisor), TICK)


def _notes(sheet: Sheet, at: tuple[float, float], metric: Metric, found: Sequence[Track], sold: float | None) -> None:
    """Write the shares to quote; of several tracks, for each the share that met the plan."""
    x, y = at
    for index, (track, color) in enumerate(_colored(found, metric)):
        ordered = stats.values([track], metric)
        name = f"{words.track_name(track, found)}: " if len(found) > 1 else ""
        if not ordered:
            continue
        sheet.text((x, y), f"{name}{len(ordered):,} results", Pen(style.SMALL_SIZE, color, bold=True))
        y += 18
        for line in _shares(ordered, metric, sold)[: 1 if len(found) > 1 else len(OF_PLAN)]:
            sheet.text((x, y), line, NOTE, room=NOTES_WIDTH - 24)
            y += 16
        y += 6 * (index < len(found))


def _shares(ordered: Sequence[float], metric: Metric, sold: float | None) -> list[str]:
    if not sold:
        spread = stats.spread_of(ordered)
        return [] if spread is None else ["the plan promises nothing here"]
    levels = OF_PLAN if metric.is_rate else OF_PLAN[:1]
    shares = ((level, stats.share_met(ordered, metric, sold * level / 100)) for level in levels)
    return [f"{words.percent(share)} % reached {_level(level)}" for level, share in shares if share is not None]


def _level(level: int) -> str:
    return "the plan" if level == 100 else f"{level} % of the plan"  # noqa: PLR2004  all of it
