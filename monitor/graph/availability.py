"""The availability graph: one row per day over its hours or, for long windows, a calendar with one cell per day."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from monitor.graph import calendar, style, words
from monitor.graph.box import Box
from monitor.graph.days import day_of, days, outages
from monitor.graph.header import Tile, draw_title
from monitor.graph.sheet import Pen
from monitor.graph.stats import tally
from monitor.graph.timeline import draw_footer
from monitor.model import Scope, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from monitor.columns import Columns, Sort
    from monitor.graph.data import Window
    from monitor.graph.days import Day, Outage
    from monitor.graph.sheet import Sheet
    from monitor.graph.stats import Tally
    from monitor.graph.terms import Terms
    from monitor.graph.track import Track

MOST_ROWS = 62
HOUR, HOURS, FULL_DAY = 3600, 25, 24
NAME = Pen(style.SMALL_SIZE, style.INK, align="right")
SHARE = Pen(style.SMALL_SIZE, style.QUIET)
TICK = Pen(style.SMALL_SIZE, style.QUIET, align="center")
KEY = Pen(style.SMALL_SIZE, style.INK)
NAME_WIDTH, SHARE_WIDTH, HOURS_HEIGHT, KEY_HEIGHT = 92, 132, 24, 26
# Below this row height only every second row gets a name.
LEAST_FOR_NAMES = 13


def draw_availability(canvas: Sheet, all_series: Sequence[Track], window: Window, context: Terms) -> None:
    """Draw the runs of all series together; each mark shows the scope of its failure."""
    counts, outage_list = tally(all_series), outages(all_series, window)
    facts = (words.window_words(window, context.zone), words.source_words(counts, all_series))
    top = draw_title(canvas, f"{context.title}: availability", facts) + style.LINE
    _draw_tiles(canvas, counts, outage_list, window, top)
    local_days = days(all_series, outage_list, window, context.zone)
    fits = len(local_days) <= MOST_ROWS
    foot = draw_footer(canvas, RASTER if fits else calendar.READING)
    box = Box(style.EDGE, top + style.TILE_HEIGHT + 16, canvas.width - 2 * style.EDGE, 0)
    box = box._replace(height=foot - box.top)
    if fits:
        draw_raster(canvas, box, Raster(all_series, local_days), outage_list, window)
    else:
        calendar.draw(canvas, box, local_days)


RASTER = (
    "One row per day, by hours since midnight; days of 23 or 25 hours are drawn that wide.",
    "Shaded: an outage of the line, from its first failed test to the next good one.",
    "Right: the share of tests that succeeded, and how long the line was down.",
    "Without a stroke: no test ran.",
)


def draw_raster(canvas: Sheet, box: Box, day_rows: Raster, outage_list: Sequence[Outage], window: Window) -> None:
    """Draw one row per day into a box that includes legend, row names and hours."""
    local_days = day_rows.days
    _draw_key(canvas, (box.left, box.top + 14), {label: len(points) for label, points in day_rows.marks.items()})
    grid = Box(
        box.left + NAME_WIDTH,
        box.top + KEY_HEIGHT,
        box.width - NAME_WIDTH - SHARE_WIDTH,
        min(box.height - KEY_HEIGHT - HOURS_HEIGHT, 48.0 * len(local_days)),
    )
    longest = max(*(day.end - day.start for day in local_days), FULL_DAY * HOUR)
    area = canvas.area(grid, (0, longest), (len(local_days), 0))
    start, end = window.span
    spans = [
        (row, max(day.start, start) - day.start, min(day.end, end) - day.start) for row, day in enumerate(local_days)
    ]
    area.shapes([_bar(*span, 0.06) for span in spans], style.FINE_GRID, edge=0, alpha=1, zorder=0.3)
    area.shapes(list(_outage_bars(local_days, outage_list)), style.BAND, edge=1, alpha=1, zorder=0.5)
    area.lines([[(at, row + 0.3), (at, row + 0.7)] for at, row in day_rows.good], style.AXIS, 1, zorder=1)
    size = max(3.5, min(7.0, grid.height / len(local_days) * 0.55))
    for label, points in day_rows.marks.items():
        marker, color = LOOKS[label]
        area.marks([(at, row + 0.5) for at, row in points], marker, color, size, hollow=label in HOLLOW)
    for hour in range(0, FULL_DAY + 1, 2):
        canvas.text((grid.left + grid.width * hour * HOUR / longest, grid.bottom + 15), f"{hour}", TICK)
    _name_rows(canvas, grid, local_days)


SKIPPED, DOUBTFUL = "skipped", "doubtful result"
HOLLOW = frozenset({SKIPPED, DOUBTFUL})


LOOKS = {scope.value: (style.SCOPE_MARKS[scope], style.SCOPES[scope]) for scope in Scope} | {
    SKIPPED: ("o", style.QUIET),
    DOUBTFUL: ("D", style.QUIET),
}


class Raster:
    """Positions of runs when each day is a row: seconds since that midnight, and the row number."""

    def __init__(self, all_series: Sequence[Track], local_days: Sequence[Day]) -> None:
        self.days = local_days
        self._starts = np.array([day.start for day in local_days])
        self._runs = [series.runs for series in all_series]
        self.good = self._where(lambda run: run.status is Status.OK)
        by_label = {label: self._where(partial(_is, label)) for label in LOOKS}
        self.marks = {label: points for label, points in by_label.items() if points}

    def _where(self, test: Callable[[Sort], bool]) -> list[tuple[float, int]]:
        return [point for runs in self._runs for point in self._points(runs.select(runs.where(test)))]

    def _points(self, runs: Columns) -> list[tuple[float, int]]:
        rows = day_of(runs, self._starts)
        return list(zip((runs.started - self._starts[rows]).tolist(), rows.tolist(), strict=True))


def _is(label: str, run: Sort) -> bool:
    return _kind_of(run) == label


def _kind_of(run: Sort) -> str | None:
    """Return the label of the mark of a run; None for a good one."""
    if run.broken:
        return run.blamed.value
    if run.status is Status.SKIPPED:
        return SKIPPED
    return DOUBTFUL if run.doubtful else None


def _draw_key(canvas: Sheet, at: tuple[float, float], present: dict[str, int]) -> None:
    x, y = at
    for label, count in present.items():
        marker, color = LOOKS[label]
        canvas.area((x, y - 10, 12, 12), (0, 1), (0, 1)).marks([(0.5, 0.5)], marker, color, 8, hollow=label in HOLLOW)
        text = f"{label if label in HOLLOW else f'failed: {label}'} {count:,}"
        canvas.text((x + 17, y), text, KEY)
        x += 17 + canvas.width_of(text, KEY) + 22


def _bar(row: int, start: float, end: float, margin: float) -> list[tuple[float, float]]:
    top, bottom = row + margin, row + 1 - margin
    return [(start, top), (end, top), (end, bottom), (start, bottom)]


def _outage_bars(local_days: Sequence[Day], outage_list: Sequence[Outage]) -> Iterator[list[tuple[float, float]]]:
    for row, day in enumerate(local_days):
        for outage in outage_list:
            start, end = max(day.start, outage.start), min(day.end, outage.end)
            if start < end:
                yield _bar(row, start - day.start, end - day.start, 0.06)


def _name_rows(canvas: Sheet, grid: Box, local_days: Sequence[Day]) -> None:
    height = grid.height / len(local_days)
    step = 1 if height >= LEAST_FOR_NAMES else 2
    for row, day in enumerate(local_days):
        y = grid.top + height * (row + 0.5) + 4
        if row % step == 0:
            canvas.text((grid.left - 8, y), f"{day.day:%a} {day.day.day} {day.day:%b}", NAME)
        if height >= LEAST_FOR_NAMES or day.broken:
            canvas.text((grid.right + 8, y), _share(day), SHARE, room=SHARE_WIDTH - 8)


def _share(day: Day) -> str:
    if not day.started:
        return "no test"
    outage_part = f", {length(day.out)} out" if day.out else ""
    return f"{words.percent(100 * (day.started - day.broken) / day.started)} %{outage_part}"


def length(seconds: float) -> str:
    """Format seconds: 45 s, 12 min, 3 h 05, 2 d 7 h."""
    minutes = round(seconds / 60)
    if seconds < 60:  # noqa: PLR2004  a minute
        return f"{seconds:.0f} s"
    if minutes < 60:  # noqa: PLR2004  an hour
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02}" if hours < 48 else f"{hours // 24} d {hours % 24} h"  # noqa: PLR2004  two days


def _draw_tiles(canvas: Sheet, counts: Tally, outage_list: Sequence[Outage], window: Window, top: float) -> None:
    room = (canvas.width - 2 * style.EDGE) / 3
    total = sum(outage.length for outage in outage_list)
    tests, number, time = (Tile(canvas, style.EDGE + at * room, top, room - 16) for at in range(3))
    tests.caption("Tests that succeeded", style.INK)
    share = counts.success_pct
    tests.figure(None if share is None else words.percent(share), "%", style.INK, "no test was started")
    tests.lines((words.success_words(counts), words.failure_words(counts)))
    number.caption("Outages of the line", style.SCOPES[Scope.LINE])
    lasts = "one ongoing" if any(outage.lasts for outage in outage_list) else ""
    number.figure(f"{len(outage_list):,}" if counts.runs else None, lasts, style.INK, "not known")
    if outage_list:
        number.lines((f"longest {length(max(outage.length for outage in outage_list))}",))
    time.caption("Time the line was down", style.SCOPES[Scope.LINE])
    time.figure((length(total) if total else "none") if counts.runs else None, "", style.INK, "not known")
    window_length = window.until - window.since
    if counts.runs:
        out_share = words.percent(100 * total / window_length.total_seconds())
        time.lines((f"{out_share} % of {words.duration(_rounded(window_length))}",))


def _rounded(span: timedelta) -> timedelta:
    return timedelta(seconds=round(span.total_seconds()))
