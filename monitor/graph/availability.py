"""The availability graph: a row for each day with every run, or, for long windows, a calendar with a cell for each day.

A calendar has a block for each year; the more tests of a day failed, the stronger its colour.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from monitor.analysis.availability import find_outages, total_downtime, watch_series, watched_parts
from monitor.analysis.calendar import DAYS_PER_WEEK, count_days, day_places
from monitor.analysis.statistics import count_series
from monitor.graph import labels, theme
from monitor.graph.canvas import Box
from monitor.graph.header import HeaderTile, draw_footer, draw_title
from monitor.graph.theme import Shade, TextStyle
from monitor.localtime import HOUR
from monitor.model import Scope, Status
from monitor.output import units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from monitor.analysis.availability import Downtime, Outage
    from monitor.analysis.calendar import Day
    from monitor.analysis.columns import Columns, RunAttributes
    from monitor.analysis.series import RunSeries
    from monitor.analysis.statistics import AttemptCounts
    from monitor.graph.canvas import Canvas, Corners
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


# With more days than this they are a calendar.
MAX_ROWS = 62

# Hours of a day without a clock change.
FULL_DAY = 24
NAME_WIDTH, SHARE_WIDTH, HOURS_HEIGHT, LEGEND_HEIGHT = 92, 132, 24, 26
MAX_ROW_HEIGHT, BAR_MARGIN, LEGEND_ROW = 48.0, 0.06, 17
# Below this row height only every second row gets a name.
MIN_NAMED_ROW_HEIGHT = 13
DAY_ROWS_NOTES = (
    "One row per day, by hours since midnight; with a clock change a day has 23 or 25 hours.",
    "Shaded: an outage of the line, from its first failed test to the first that shows that it works again.",
    f"Right: the share of tests that succeeded, and how long the line was down. {labels.SHARE_NOTE}",
    labels.BLANK_NOTE,
)

NOT_KNOWN = "not known"
SKIPPED, DOUBTFUL = "skipped", "doubtful result"
HOLLOW_MARKS = frozenset({SKIPPED, DOUBTFUL})
RUN_MARKS = {scope.value: (theme.SCOPE_MARKS[scope], theme.SCOPE_COLORS[scope]) for scope in Scope} | {
    SKIPPED: ("o", theme.MUTED),
    DOUBTFUL: ("D", theme.MUTED),
}

YEAR_STYLE = TextStyle(theme.TEXT_SIZE, theme.INK, bold=True, align="right")
MONTH_STYLE = TextStyle(theme.SMALL_SIZE - 1, theme.MUTED)
WEEKS, MONTHS_HEIGHT, YEAR_WIDTH, YEAR_GAP, CALENDAR_LEGEND_HEIGHT = 54, 16, 56, 8, 26
# Of a cell, the share on each side that is left blank.
CELL_GAP = 0.08
MAX_CELL = 20.0
# Where a day would be lower than this many pixels, a week is one cell.
MIN_CELL = 3.0
# For each step the smallest share of failed tests, and its colour between grey (0) and that of a failure (1).
STRENGTH_STEPS = ((0.0, 0.0), (1e-9, 0.3), (0.05, 0.55), (0.2, 0.8), (0.5, 1.0))
STEP_NAMES = ("none failed", "some", "5 %", "20 %", "half or more")
CALENDAR_NOTES = (
    "One cell per day, Monday at the top; one per week where days would be too small.",
    f"Stronger colour: more of the tests failed. {labels.SHARE_NOTE}",
    labels.BLANK_NOTE,
)


def draw_availability(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw the runs of all series together; each mark shows the scope of its failure."""
    (counts, sources), outage_list = count_series(all_series), find_outages(all_series, window)
    watched = watch_series(all_series)
    facts = labels.describe_data(all_series, sources, window, context.zone)
    top = draw_title(canvas, f"{context.title}: availability", facts) + theme.LINE_HEIGHT
    _draw_tiles(canvas, counts, total_downtime(outage_list, watched), top)
    local_days = count_days(all_series, watched_parts(outage_list, watched), window, context.zone)
    fits = len(local_days) <= MAX_ROWS
    foot = draw_footer(canvas, DAY_ROWS_NOTES if fits else CALENDAR_NOTES)
    box = Box(
        canvas.margin, top + theme.TILE_HEIGHT * (2 if canvas.is_phone else 1) + 16, canvas.width - 2 * canvas.margin, 0
    )
    box = box._replace(height=foot - box.top)
    if fits:
        draw_day_rows(canvas, box, DayRows(all_series, local_days), outage_list, window)
    else:
        draw_calendar(canvas, box, local_days)


def draw_day_rows(canvas: Canvas, box: Box, day_rows: DayRows, outage_list: Sequence[Outage], window: Window) -> None:
    """Draw one row per day into a box that includes legend, row names and hours."""
    local_days = day_rows.days
    legend_end = _draw_mark_legend(canvas, (box.left, box.top + 14), day_rows.marks) + LEGEND_HEIGHT - 14
    grid = Box(
        box.left + NAME_WIDTH,
        legend_end,
        box.width - NAME_WIDTH - SHARE_WIDTH,
        min(box.bottom - legend_end - HOURS_HEIGHT, MAX_ROW_HEIGHT * len(local_days)),
    )
    longest = max(*(day.end - day.start for day in local_days), FULL_DAY * HOUR)
    area = canvas.area(grid, (0, longest), (len(local_days), 0))
    area.rectangles(_day_bars(local_days, window), theme.FINE_GRID, edge=0, alpha=1, zorder=0.3)
    area.rectangles(_outage_bars(local_days, outage_list), theme.FAILURE_SPAN, edge=1, alpha=1, zorder=0.5)
    area.lines([[(at, row + 0.3), (at, row + 0.7)] for at, row in day_rows.good], theme.AXIS, 1, zorder=1)
    size = max(3.5, min(7.0, grid.height / len(local_days) * 0.55))
    for label, points in day_rows.marks.items():
        marker, color = RUN_MARKS[label]
        area.marks([(at, row + 0.5) for at, row in points], marker, color, size, hollow=label in HOLLOW_MARKS)
    for hour in range(0, FULL_DAY + 1, 6 if canvas.is_phone else 2):
        canvas.text((grid.left + grid.width * hour * HOUR / longest, grid.bottom + 15), f"{hour}", theme.TICK_STYLE)
    _draw_row_names(canvas, grid, local_days)


class DayRows:
    """Positions of runs when each day is a row: seconds since that midnight, and the row number."""

    def __init__(self, all_series: Sequence[RunSeries], local_days: Sequence[Day]) -> None:
        self.days = local_days
        self._starts = np.array([day.start for day in local_days])
        self._runs = [series.runs for series in all_series]
        self.good = self._where(lambda run: run.succeeded)
        by_label = {label: self._where(partial(_has_label, label)) for label in RUN_MARKS}
        self.marks = {label: points for label, points in by_label.items() if points}

    def _where(self, test: Callable[[RunAttributes], bool]) -> list[tuple[float, int]]:
        return [point for runs in self._runs for point in self._points(runs.select(runs.where(test)))]

    def _points(self, runs: Columns) -> list[tuple[float, int]]:
        rows = day_places(runs, self._starts)
        return list(zip((runs.started - self._starts[rows]).tolist(), rows.tolist(), strict=True))


def _has_label(label: str, run: RunAttributes) -> bool:
    return _mark_label(run) == label


def _mark_label(run: RunAttributes) -> str | None:
    """Return the label of the mark of a run; None for a good one."""
    if run.broken:
        return run.blamed.value
    if run.status is Status.SKIPPED:
        return SKIPPED
    return DOUBTFUL if run.doubtful else None


def _draw_mark_legend(
    canvas: Canvas, at: tuple[float, float], marks: Mapping[str, Sequence[tuple[float, int]]]
) -> float:
    """Draw what the marks mean, in as many lines as it takes; return the base of the last one."""
    x, y = at
    for label, points in marks.items():
        marker, color = RUN_MARKS[label]
        hollow = label in HOLLOW_MARKS
        text = f"{label if hollow else f'failed: {label}'} {len(points):,}"
        width = 17 + canvas.width_of(text, theme.SMALL_STYLE)
        if x > at[0] and x + width > canvas.width - canvas.margin:
            x, y = at[0], y + LEGEND_ROW
        canvas.area((x, y - 10, 12, 12), (0, 1), (0, 1)).marks([(0.5, 0.5)], marker, color, 8, hollow=hollow)
        canvas.text((x + 17, y), text, theme.SMALL_STYLE)
        x += width + 22
    return y


def _day_bars(local_days: Sequence[Day], window: Window) -> Iterator[Corners]:
    start, end = window.span
    for row, day in enumerate(local_days):
        yield _bar_corners(row, max(day.start, start) - day.start, min(day.end, end) - day.start)


def _outage_bars(local_days: Sequence[Day], outage_list: Sequence[Outage]) -> Iterator[Corners]:
    for row, day in enumerate(local_days):
        for outage in outage_list:
            start, end = max(day.start, outage.start), min(day.end, outage.end)
            if start < end:
                yield _bar_corners(row, start - day.start, end - day.start)


def _bar_corners(row: int, start: float, end: float) -> Corners:
    return start, row + BAR_MARGIN, end, row + 1 - BAR_MARGIN


def _draw_row_names(canvas: Canvas, grid: Box, local_days: Sequence[Day]) -> None:
    height = grid.height / len(local_days)
    step = 1 if height >= MIN_NAMED_ROW_HEIGHT else 2
    for row, day in enumerate(local_days):
        y = grid.top + height * (row + 0.5) + 4
        if row % step == 0:
            canvas.text((grid.left - 8, y), f"{day.day:%a} {day.day.day} {day.day:%b}", theme.ROW_NAME_STYLE)
        if height >= MIN_NAMED_ROW_HEIGHT or day.broken:
            canvas.text((grid.right + 8, y), _day_summary(day), theme.NOTE_STYLE, room=SHARE_WIDTH - 8)


def _day_summary(day: Day) -> str:
    if not day.started:
        return "none counts" if day.uncounted else "no test"
    outage_part = f", {units.format_short_duration(day.out)} out" if day.out else ""
    return f"{units.format_percent(100 * (day.started - day.broken) / day.started)}{outage_part}"


def _draw_tiles(canvas: Canvas, counts: AttemptCounts, downtime: Downtime, top: float) -> None:
    columns = 2 if canvas.is_phone else 3
    room = (canvas.width - 2 * canvas.margin) / columns
    tests, number, time = (
        HeaderTile(canvas, canvas.margin + at % columns * room, top + at // columns * theme.TILE_HEIGHT, room - 16)
        for at in range(3)
    )
    tests.caption("Tests that succeeded", theme.INK)
    share = counts.success_pct
    tests.figure(None if share is None else units.format_percent_number(share), "%", theme.INK, "no test was started")
    tests.lines((labels.describe_successes(counts), labels.describe_failures(counts)))
    number.caption("Outages of the line", theme.SCOPE_COLORS[Scope.LINE])
    ongoing = "one ongoing" if downtime.ongoing else ""
    number.figure(f"{downtime.outages:,}" if counts.attempts else None, ongoing, theme.INK, NOT_KNOWN)
    if downtime.outages:
        number.lines((f"longest {units.format_short_duration(downtime.longest_s)}",))
    _fill_downtime_tile(time, counts, downtime)


def _fill_downtime_tile(tile: HeaderTile, counts: AttemptCounts, downtime: Downtime) -> None:
    tile.caption("Downtime of the line", theme.SCOPE_COLORS[Scope.LINE])
    total = units.format_short_duration(downtime.down_s) if downtime.down_s else "none"
    tile.figure(total if counts.attempts else None, "", theme.INK, NOT_KNOWN)
    if downtime.available_pct is not None:
        length = units.format_long_duration(timedelta(seconds=round(downtime.watched_s)))
        tile.lines((f"available {units.format_percent(downtime.available_pct)} of the {length} watched",))


def draw_calendar(canvas: Canvas, box: Box, local_days: Sequence[Day]) -> None:
    """Draw the days into a box, one year below the other."""
    _draw_calendar_legend(canvas, box)
    years = [(year, list(group)) for year, group in groupby(local_days, key=lambda day: day.day.year)]
    year_height = (box.height - CALENDAR_LEGEND_HEIGHT) / len(years)
    cell_width = (box.width - YEAR_WIDTH) / WEEKS
    cell_height = min((year_height - MONTHS_HEIGHT - YEAR_GAP) / DAYS_PER_WEEK, MAX_CELL)
    for index, (year, group) in enumerate(years):
        top = box.top + CALENDAR_LEGEND_HEIGHT + index * (cell_height * DAYS_PER_WEEK + MONTHS_HEIGHT + YEAR_GAP)
        grid = Box(box.left + YEAR_WIDTH, top + MONTHS_HEIGHT, cell_width * WEEKS, cell_height * DAYS_PER_WEEK)
        canvas.text((grid.left - 10, grid.top + grid.height / 2 + 5), str(year), YEAR_STYLE)
        _draw_year(canvas, grid, group)


def failure_strength(days: Sequence[Day]) -> float:
    """Return the colour strength of days with tests: 0 if none failed, 1 if half or more did."""
    share = sum(day.broken for day in days) / sum(day.started for day in days)
    return max(step for least, step in STRENGTH_STEPS if share >= least)


def week_column(day: date) -> int:
    """Return the week of the year of a day, from 0; weeks begin on Monday."""
    return (day.timetuple().tm_yday - 1 + day.replace(month=1, day=1).weekday()) // 7


def _draw_year(canvas: Canvas, grid: Box, local_days: Sequence[Day]) -> None:
    area = canvas.area(grid, (0, WEEKS), (DAYS_PER_WEEK, 0))
    tested = [day for day in local_days if day.started]
    if grid.height / DAYS_PER_WEEK >= MIN_CELL:
        cells = [(_cell_corners(week_column(day.day), day.day.weekday(), 1), [day]) for day in tested]
    else:
        weeks = [(week, list(days)) for week, days in groupby(tested, key=lambda day: week_column(day.day))]
        cells = [(_cell_corners(week, 0, DAYS_PER_WEEK), days) for week, days in weeks]
    shades = [Shade("failures", failure_strength(days)) for _, days in cells]
    area.tiles([corners for corners, _ in cells], shades)
    months = (day.day for day in local_days if day.day.day == 1)
    for first in (first for first in months if not canvas.is_phone or first.month % 3 == 1):
        canvas.text((grid.left + grid.width * week_column(first) / WEEKS, grid.top - 4), f"{first:%b}", MONTH_STYLE)


def _cell_corners(week: int, weekday: int, days: int) -> Corners:
    return week + CELL_GAP, weekday + CELL_GAP, week + 1 - CELL_GAP, weekday + days - CELL_GAP


def _draw_calendar_legend(canvas: Canvas, box: Box) -> None:
    x, y = box.left + (0 if canvas.is_phone else YEAR_WIDTH), box.top + 12
    for name, (_, strength) in zip(STEP_NAMES, STRENGTH_STEPS, strict=True):
        area = canvas.area((x, y - 10, 12, 12), (0, 1), (0, 1))
        area.tiles([(0, 0, 1, 1)], [Shade("failures", strength)])
        canvas.text((x + 18, y), name, theme.SMALL_STYLE)
        x += 18 + canvas.width_of(name, theme.SMALL_STYLE) + (6 if canvas.is_phone else 20)
