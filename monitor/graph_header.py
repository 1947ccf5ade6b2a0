"""The header of a graph: what, when, who, and four tiles with the numbers to quote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor import graph_stats
from monitor import graph_style as style
from monitor import graph_words as words
from monitor.graph_panel import colors
from monitor.graph_sheet import Pen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from monitor.graph_data import Track, Window
    from monitor.graph_panel import Panel
    from monitor.graph_sheet import Sheet

TITLE = Pen(style.TITLE_SIZE, style.INK, bold=True)
LINE = Pen(style.TEXT_SIZE, style.QUIET)
SMALL = Pen(style.SMALL_SIZE, style.QUIET)
TILE_GAP = 16
TESTS_SHARE = 1.5
NOTHING = Pen(style.TEXT_SIZE + 4, style.QUIET)
BIG_BASE = 40
LINES = (58, 74)
TRACK_LINE = 19


def draw_title(sheet: Sheet, title: str, window: Window, zone: ZoneInfo, tracks: Sequence[Track]) -> None:
    """Write the title, the window, and who was measured with what."""
    room = sheet.width - 2 * style.EDGE
    sheet.text((style.EDGE, style.TITLE_Y), title, TITLE, room)
    sheet.text((style.EDGE, style.WINDOW_Y), words.window_words(window, zone), LINE, room)
    for y, line in zip(style.SOURCE_Y, words.source_words(graph_stats.tally(tracks), tracks), strict=True):
        sheet.text((style.EDGE, y), line, LINE, room)


def draw_tiles(sheet: Sheet, panels: Sequence[Panel], tracks: Sequence[Track]) -> None:
    """Write the median and the percentiles of each metric, and the number of tests."""
    width = (sheet.width - 2 * style.EDGE + TILE_GAP) / (len(panels) + TESTS_SHARE)
    for index, panel in enumerate(panels):
        x = style.EDGE + index * width
        if len(tracks) > 1:
            _compare(sheet, x, width - TILE_GAP, panel, tracks)
        else:
            _metric(sheet, x, width - TILE_GAP, panel, tracks)
    _tests(sheet, style.EDGE + len(panels) * width, TESTS_SHARE * width - TILE_GAP, tracks)


def _metric(sheet: Sheet, x: float, room: float, panel: Panel, tracks: Sequence[Track]) -> None:
    _cap(sheet, x, room, f"{words.NAMES[panel.metric]}, median", style.METRICS[panel.metric])
    spread = graph_stats.spread(tracks[0], panel.metric) if tracks else None
    if spread is None:
        sheet.text((x, style.TILES_Y + BIG_BASE), "no result", NOTHING)
        return
    _big(sheet, x, words.number(spread.median / panel.axis.divisor), panel.axis.unit, style.METRICS[panel.metric])
    below = (
        words.spread_words(spread, panel.axis),
        words.plan_words(spread.median, panel.sold, panel.metric, panel.axis),
    )
    for offset, line in zip(LINES, below, strict=True):
        sheet.text((x, style.TILES_Y + offset), line, SMALL, room)


def _compare(sheet: Sheet, x: float, room: float, panel: Panel, tracks: Sequence[Track]) -> None:
    """Write one line a track instead of one big number."""
    caption = f"{words.NAMES[panel.metric]}, median (5th to 95th %)"
    _cap(sheet, x, room, caption, style.METRICS[panel.metric])
    for index, (track, color) in enumerate(zip(tracks, colors(panel.metric, len(tracks)), strict=True)):
        y = style.TILES_Y + 34 + TRACK_LINE * index
        sheet.rules([((x, y - 4), (x + 16, y - 4))], color)
        line = f"{words.track_name(track, tracks)}  {_in_brackets(track, panel)}"
        sheet.text((x + 22, y), line, Pen(style.TEXT_SIZE, color), room - 22)


def _in_brackets(track: Track, panel: Panel) -> str:
    spread = graph_stats.spread(track, panel.metric)
    if spread is None:
        return "no result"
    median, low, high = (words.number(value / panel.axis.divisor) for value in (spread.median, spread.p5, spread.p95))
    return f"{median} ({low} to {high}) {panel.axis.unit}"


def _tests(sheet: Sheet, x: float, room: float, tracks: Sequence[Track]) -> None:
    tally = graph_stats.tally(tracks)
    _cap(sheet, x, room, "Tests", style.INK)
    _big(sheet, x, f"{tally.runs:,}", words.runs_words(tally), style.INK)
    for offset, line in zip(LINES, (words.success_words(tally), words.failure_words(tally)), strict=True):
        sheet.text((x, style.TILES_Y + offset), line, SMALL, room)


def _cap(sheet: Sheet, x: float, room: float, caption: str, color: str) -> None:
    sheet.rules([((x, style.TILES_Y - 6), (x + room, style.TILES_Y - 6))], color)
    sheet.text((x, style.TILES_Y + 11), caption, SMALL, room)


def _big(sheet: Sheet, x: float, figure: str, unit: str, color: str) -> None:
    pen = Pen(style.BIG_SIZE, color, bold=True)
    sheet.text((x, style.TILES_Y + BIG_BASE), figure, pen)
    sheet.text((x + sheet.width_of(figure, pen) + 6, style.TILES_Y + BIG_BASE), unit, Pen(style.TEXT_SIZE, style.QUIET))
