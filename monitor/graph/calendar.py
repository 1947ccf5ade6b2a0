"""A calendar with one cell per day and one block per year: the more tests failed, the stronger the colour."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from matplotlib.colors import to_hex, to_rgb

from monitor.graph import style
from monitor.graph.box import Box
from monitor.graph.hours import WEEKDAYS
from monitor.graph.sheet import Pen
from monitor.model import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from monitor.graph.days import Day
    from monitor.graph.sheet import Sheet
    from monitor.graph.theme import Theme

READING = (
    "One cell per day, Monday at the top; one per week where days would be too small.",
    "Stronger colour: more of the tests failed.",
    "Blank: no test ran.",
)
YEAR = Pen(style.TEXT_SIZE, style.INK, bold=True, align="right")
SMALL = Pen(style.SMALL_SIZE - 1, style.QUIET)
KEY = Pen(style.SMALL_SIZE, style.INK)
WEEKS, MONTHS_HEIGHT, YEAR_WIDTH, KEY_HEIGHT, GAP = 54, 16, 56, 26, 0.08
BETWEEN = 8
MOST_CELL = 20.0
# Where a day would be lower than this many pixels, a week is one cell.
LEAST_CELL = 3.0
# For each step the smallest share of failed tests, and its colour between grey (0) and that of a failure (1).
STEPS = ((0.0, 0.0), (1e-9, 0.3), (0.05, 0.55), (0.2, 0.8), (0.5, 1.0))
NAMES = ("none failed", "some", "5 %", "20 %", "half or more")


def draw(canvas: Sheet, box: Box, local_days: Sequence[Day]) -> None:
    """Draw the days into a box, one year below the other."""
    _draw_key(canvas, box)
    years = [(year, list(group)) for year, group in groupby(local_days, key=lambda day: day.day.year)]
    year_height = (box.height - KEY_HEIGHT) / len(years)
    cell_width = (box.width - YEAR_WIDTH) / WEEKS
    cell_height = min((year_height - MONTHS_HEIGHT - BETWEEN) / len(WEEKDAYS), MOST_CELL)
    for index, (year, group) in enumerate(years):
        top = box.top + KEY_HEIGHT + index * (cell_height * len(WEEKDAYS) + MONTHS_HEIGHT + BETWEEN)
        grid = Box(box.left + YEAR_WIDTH, top + MONTHS_HEIGHT, cell_width * WEEKS, cell_height * len(WEEKDAYS))
        canvas.text((grid.left - 10, grid.top + grid.height / 2 + 5), str(year), YEAR)
        _draw_year(canvas, grid, group)


def strength(days: Sequence[Day]) -> float:
    """Return the colour strength of days with tests: 0 if none failed, 1 if half or more did."""
    share = sum(day.broken for day in days) / sum(day.started for day in days)
    return max(step for least, step in STEPS if share >= least)


def column(day: date) -> int:
    """Return the week of the year of a day, from 0; weeks begin on Monday."""
    return (day.timetuple().tm_yday - 1 + day.replace(month=1, day=1).weekday()) // 7


def _draw_year(canvas: Sheet, grid: Box, local_days: Sequence[Day]) -> None:
    area = canvas.area(grid, (0, WEEKS), (len(WEEKDAYS), 0))
    tested = [day for day in local_days if day.started]
    if grid.height / len(WEEKDAYS) >= LEAST_CELL:
        cells = [(_cell(column(day.day), day.day.weekday(), 1), [day]) for day in tested]
    else:
        weeks = [(week, list(days)) for week, days in groupby(tested, key=lambda day: column(day.day))]
        cells = [(_cell(week, 0, len(WEEKDAYS)), days) for week, days in weeks]
    area.tiles([outline for outline, _ in cells], [_ink(canvas.theme, strength(days)) for _, days in cells])
    for first in (day.day for day in local_days if day.day.day == 1):
        canvas.text((grid.left + grid.width * column(first) / WEEKS, grid.top - 4), f"{first:%b}", SMALL)


def _cell(week: int, weekday: int, days: int) -> list[tuple[float, float]]:
    left, right, top, bottom = week + GAP, week + 1 - GAP, weekday + GAP, weekday + days - GAP
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _ink(theme: Theme, share: float) -> str:
    calm, bad = to_rgb(theme.ink(style.GRID)), to_rgb(theme.ink(style.SCOPES[Scope.LINE]))
    red, green, blue = (one + (other - one) * share for one, other in zip(calm, bad, strict=True))
    return to_hex((red, green, blue))


def _draw_key(canvas: Sheet, box: Box) -> None:
    x, y = box.left + YEAR_WIDTH, box.top + 12
    for name, (_, share) in zip(NAMES, STEPS, strict=True):
        area = canvas.area((x, y - 10, 12, 12), (0, 1), (0, 1))
        area.tiles([[(0, 0), (1, 0), (1, 1), (0, 1)]], [_ink(canvas.theme, share)])
        canvas.text((x + 18, y), name, KEY)
        x += 18 + canvas.width_of(name, KEY) + 20
