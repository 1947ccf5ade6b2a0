"""The heat map: median speed by hour and weekday, as a share of the plan, or in Mbit/s without one.

What falls short has the strong colours: an hour that meets the plan is calm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.analysis.calendar import DAYS_PER_WEEK, HOURS, tabulate_hours
from monitor.analysis.metrics import RATE_METRICS, Metric
from monitor.analysis.statistics import count_series
from monitor.graph import labels, theme
from monitor.graph.canvas import Box
from monitor.graph.header import draw_footer, draw_title
from monitor.graph.theme import Shade
from monitor.output import units
from monitor.output.units import rate_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.analysis.calendar import HourTable
    from monitor.analysis.series import RunSeries
    from monitor.graph.canvas import Canvas, Corners
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


HEADING_HEIGHT, HOURS_HEIGHT = 30, 24
# Pixels between cells.
GAP = 1.0

LEGEND_STEPS, LEGEND_WIDTH = 40, 160

# Numbers are left out of cells narrower than this.
MIN_NUMBERED_WIDTH = 26
# From this value on a decimal would not fit.
WHOLE_FROM = 9.95

# The colour of a value that is so much below what meets the plan is this power of its shortfall: a tenth is seen.
STRENGTH = 0.6

NOTES = ("Each cell: median of its tests.", "Stronger colour: further below.", "Blank: no result in that hour.")


def draw_heatmap(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw download and upload, one below the other."""
    counts, sources = count_series(all_series)
    facts = labels.describe_data(all_series, sources, window, context.zone)
    top = draw_title(canvas, f"{context.title}: by hour and weekday", facts) + theme.LINE_HEIGHT
    foot = draw_footer(canvas, (*NOTES, labels.describe_doubts(counts)))
    height, left = (foot - top - 8) / 2, 0.0 if canvas.is_phone else theme.LEFT_MARGIN / 2
    for index, metric in enumerate(RATE_METRICS):
        box = Box(left, top + index * height, canvas.width - left - canvas.margin, height)
        table = tabulate_hours(all_series, context.zone, metric)
        draw_hour_grid(canvas, box, metric, table, context.met_pct)


def shortfall(share: float, met_pct: float) -> float:
    """Return how strong the colour of a share is: 0 at or above `met_pct` percent, 1 for nothing."""
    missing = 1 - share / (met_pct / 100)
    return float(max(0.0, missing) ** STRENGTH)


def draw_hour_grid(canvas: Canvas, box: Box, metric: Metric, table: HourTable, met_pct: float) -> None:
    """Draw one metric into a box that includes heading, legend, weekdays and hours.

    A cell is calm at or above `met_pct` percent of the plan; without a plan, of the best cell.
    """
    cells = table.cells
    # 1.0 avoids a division by zero when every result is 0 bit/s.
    full_scale = 1.0 if table.of_plan else max((cell.median for cell in cells.values()), default=1.0) or 1.0
    divisor, unit = (0.01, "% of the plan") if table.of_plan else rate_unit(full_scale)
    canvas.heading((box.left, box.top + HEADING_HEIGHT - 10), labels.METRIC_NAMES[metric], f"{unit}, median")
    _draw_legend(canvas, box, units.format_trimmed(round(full_scale / divisor, 1)), met_pct)
    grid = Box(box.left + 40, box.top + HEADING_HEIGHT, box.width - 40, box.height - HEADING_HEIGHT - HOURS_HEIGHT)
    area = canvas.area(grid, (0, len(HOURS)), (DAYS_PER_WEEK, 0))
    shades = {place: Shade("hours", shortfall(cell.median / full_scale, met_pct)) for place, cell in cells.items()}
    across, down = GAP / grid.width * len(HOURS), GAP / grid.height * DAYS_PER_WEEK
    area.tiles([_cell_corners(place, across, down) for place in shades], list(shades.values()))
    _draw_names(canvas, grid)
    if not cells:
        canvas.text((grid.left + grid.width / 2, grid.top + grid.height / 2), labels.NO_RESULT, theme.EMPTY_STYLE)
    if grid.width / len(HOURS) >= MIN_NUMBERED_WIDTH:
        for place, cell in cells.items():
            _draw_number(canvas, grid, place, cell.median / divisor, shades[place])


def _cell_corners(place: tuple[int, int], across: float, down: float) -> Corners:
    weekday, hour = place
    return hour + across, weekday + down, hour + 1 - across, weekday + 1 - down


def _draw_legend(canvas: Canvas, box: Box, full: str, met_pct: float) -> None:
    y = box.top + HEADING_HEIGHT - 10
    width = min(LEGEND_WIDTH, box.width / 4)
    legend = Box(box.right - width - canvas.width_of(full, theme.NOTE_STYLE) - 6, y - 10, width, 12)
    area = canvas.area(legend, (0, LEGEND_STEPS), (0, 1))
    shares = ((at + 0.5) / LEGEND_STEPS for at in range(LEGEND_STEPS))
    shades = [Shade("hours", shortfall(share, met_pct)) for share in shares]
    area.tiles([(at, 0, at + 1, 1) for at in range(LEGEND_STEPS)], shades)
    canvas.text((legend.left - 14, y), "0", theme.NOTE_STYLE)
    canvas.text((legend.right + 6, y), full, theme.NOTE_STYLE)


def _draw_names(canvas: Canvas, grid: Box) -> None:
    row, column = grid.height / DAYS_PER_WEEK, grid.width / len(HOURS)
    for index, name in enumerate(units.SHORT_WEEKDAY_NAMES):
        canvas.text((grid.left - 8, grid.top + row * (index + 0.5) + 4), name, theme.ROW_NAME_STYLE)
    step = 1 if column >= MIN_NUMBERED_WIDTH else 3
    for hour in HOURS[::step]:
        canvas.text((grid.left + column * (hour + 0.5), grid.bottom + 15), f"{hour:02}", theme.TICK_STYLE)


def _draw_number(canvas: Canvas, grid: Box, place: tuple[int, int], value: float, shade: Shade) -> None:
    weekday, hour = place
    x = grid.left + grid.width / len(HOURS) * (hour + 0.5)
    y = grid.top + grid.height / DAYS_PER_WEEK * (weekday + 0.5) + 4
    text = units.format_number(value) if value < WHOLE_FROM else f"{value:,.0f}"
    canvas.text_on((x, y), text, shade, theme.SMALL_SIZE)
