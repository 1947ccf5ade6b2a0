"""Header and footer of a graph: title, facts, tiles with the numbers to quote, and the notes on how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.analysis import statistics
from monitor.analysis.statistics import compute_spread
from monitor.graph import labels, theme
from monitor.graph.panel import LEGEND_INDENT, MAX_LINES, draw_legend_stroke, line_colors
from monitor.graph.theme import TextStyle
from monitor.output import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.analysis.series import RunSeries
    from monitor.analysis.statistics import AttemptCounts
    from monitor.graph.canvas import Canvas
    from monitor.graph.panel import Panel


NOTHING_STYLE = TextStyle(theme.TEXT_SIZE + 4, theme.MUTED)
FOOTER_STYLE = TextStyle(theme.SMALL_SIZE - 1, theme.MUTED)

TILE_GAP = 8
# Width of the last tile, which has the longest lines, relative to the others when all are side by side.
TESTS_SHARE = 1.0

# Base lines below the top of a tile; those of several series begin at SERIES_LINE.
CAPTION, BIG, FIRST_LINE, SECOND_LINE, THIRD_LINE = 17, 46, 64, 80, 96
SERIES_LINE, SERIES_LINE_HEIGHT, NAME_GAP = 40, 19, 5


def draw_title(canvas: Canvas, title: str, groups: Sequence[Sequence[str]]) -> float:
    """Write the title and below it groups of facts, each on a new line; return the y of the last line."""
    room = canvas.width - 2 * canvas.margin
    y = _draw_title_text(canvas, title, room)
    for line in (line for group in groups for line in canvas.wrap(group, labels.SEPARATOR, theme.ASIDE_STYLE, room)):
        y += theme.LINE_HEIGHT
        canvas.text((canvas.margin, y), line, theme.ASIDE_STYLE, room)
    return y


def _draw_title_text(canvas: Canvas, title: str, room: float) -> float:
    """Write the title, on a phone in as many lines as it needs; return a y from which the next line is a line away."""
    if not canvas.is_phone:
        canvas.text((canvas.margin, theme.TITLE_Y), title, theme.TITLE_STYLE, room)
        return theme.TITLE_Y + 4
    y = 0.0
    for line in canvas.wrap([title], "", theme.PHONE_TITLE_STYLE, room):
        y += 22
        canvas.text((canvas.margin, y), line, theme.PHONE_TITLE_STYLE, room)
    return y + 2


def draw_footer(canvas: Canvas, parts: Sequence[str]) -> float:
    """Write the notes on how to read the graph in the footer; return the y of its top."""
    lines = canvas.wrap(parts, " ", FOOTER_STYLE, canvas.width - 2 * canvas.margin)
    top = canvas.height - 12 - theme.FOOTER_LINE_HEIGHT * len(lines)
    for index, line in enumerate(lines, start=1):
        canvas.text((canvas.margin, top + theme.FOOTER_LINE_HEIGHT * index), line, FOOTER_STYLE)
    return top


def tiles_height(canvas: Canvas) -> int:
    """Return the height of the tiles: two rows of two on a narrow canvas."""
    return theme.TILE_HEIGHT + (theme.TILE_HEIGHT + TILE_GAP if canvas.width < theme.NARROW_WIDTH else 0)


@dataclass(frozen=True, slots=True)
class HeaderFigures:
    """What the tiles show: the counts, and at and above which percentage of it a plan is met."""

    counts: AttemptCounts
    met_pct: float


def draw_tiles(
    canvas: Canvas, panels: Sequence[Panel], all_series: Sequence[RunSeries], figures: HeaderFigures, top: float
) -> None:
    """Write the median and the percentiles of each metric, and the number of tests."""
    *metrics, tests = _place_tiles(canvas, len(panels) + 1, top)
    for tile, panel in zip(metrics, panels, strict=True):
        if len(all_series) > 1:
            _fill_comparison_tile(tile, panel, all_series)
        else:
            _fill_metric_tile(tile, panel, all_series, figures.met_pct)
    _fill_tests_tile(tests, figures.counts)


def _place_tiles(canvas: Canvas, count: int, top: float) -> list[HeaderTile]:
    narrow = canvas.width < theme.NARROW_WIDTH
    columns, shares = (2, 2.0) if narrow else (count, count - 1 + TESTS_SHARE)
    step = (canvas.width - 2 * canvas.margin + TILE_GAP) / shares
    widest = step if narrow else step * TESTS_SHARE
    rooms = [step - TILE_GAP] * (count - 1) + [widest - TILE_GAP]
    places = [
        (canvas.margin + index % columns * step, top + index // columns * (theme.TILE_HEIGHT + TILE_GAP))
        for index in range(count)
    ]
    return [HeaderTile(canvas, x, y, room) for (x, y), room in zip(places, rooms, strict=True)]


@dataclass(frozen=True, slots=True)
class HeaderTile:
    """A box of the header: a caption under a rule, a big number, two lines."""

    canvas: Canvas
    left: float
    top: float
    room: float

    def caption(self, text: str, color: str) -> None:
        """Write what the tile is about."""
        self.canvas.rules([((self.left, self.top), (self.left + self.room, self.top))], color)
        self.line(CAPTION, text)

    def big(self, figure: str, unit: str, color: str) -> None:
        """Write the number that people quote."""
        text_style = TextStyle(theme.BIG_SIZE, color, bold=True)
        self.canvas.text((self.left, self.top + BIG), figure, text_style)
        width = self.canvas.width_of(figure, text_style) + 6
        self.canvas.text((self.left + width, self.top + BIG), unit, theme.ASIDE_STYLE, self.room - width)

    def figure(self, figure: str | None, unit: str, color: str, otherwise: str = labels.NO_RESULT) -> None:
        """Write the number that people quote, or in words that there is none."""
        if figure is None:
            self.line(BIG, otherwise, NOTHING_STYLE)
        else:
            self.big(figure, unit, color)

    def fitting(self, texts: Sequence[str]) -> str:
        """Return the first text that fits into a line, else the last."""
        return next((text for text in texts if self.canvas.width_of(text, theme.NOTE_STYLE) <= self.room), texts[-1])

    def lines(self, texts: Sequence[str]) -> None:
        """Write up to three lines below the number."""
        for offset, text in zip((FIRST_LINE, SECOND_LINE, THIRD_LINE), texts, strict=False):
            self.line(offset, text)

    def line(self, offset: float, text: str, text_style: TextStyle = theme.NOTE_STYLE, indent: float = 0) -> None:
        """Write one line, so far below the top of the tile."""
        self.canvas.text((self.left + indent, self.top + offset), text, text_style, self.room - indent)


def _fill_metric_tile(tile: HeaderTile, panel: Panel, all_series: Sequence[RunSeries], met_pct: float) -> None:
    color = theme.METRIC_COLORS[panel.metric]
    tile.caption(f"{labels.METRIC_NAMES[panel.metric]}, median", color)
    spread = compute_spread(statistics.measured_values(all_series, panel.metric))
    if spread is None:
        tile.line(BIG, labels.NO_RESULT, NOTHING_STYLE)
        return
    tile.big(units.format_number(spread.median / panel.axis.divisor), panel.axis.unit, color)
    tile.line(FIRST_LINE, labels.describe_spread(spread, panel.axis))
    if comparison := statistics.compare_with_plan(all_series, panel.metric, spread.median, met_pct):
        tile.line(SECOND_LINE, labels.describe_plan(comparison, panel.plan_lines, panel.metric, panel.axis))
        tile.line(THIRD_LINE, tile.fitting(labels.describe_plan_met(comparison, panel.metric)))


def _fill_comparison_tile(tile: HeaderTile, panel: Panel, all_series: Sequence[RunSeries]) -> None:
    """Write one line per series, with a legend stroke, instead of one big number; only the first few of many."""
    tile.caption(
        f"{labels.METRIC_NAMES[panel.metric]}, {panel.axis.unit}: median (5 to 95 %)",
        theme.METRIC_COLORS[panel.metric],
    )
    shown = all_series if len(all_series) <= MAX_LINES else all_series[: MAX_LINES - 1]
    offset = float(SERIES_LINE)
    for index, (series, color) in enumerate(zip(shown, line_colors(panel.metric, len(shown)), strict=True)):
        draw_legend_stroke(tile.canvas, (tile.left, tile.top + offset), index, color)
        _write_name_and_figures(
            tile, offset, labels.series_name(series, all_series), _spread_text(series, panel), color
        )
        offset += SERIES_LINE_HEIGHT
    if rest := len(all_series) - len(shown):
        tile.line(offset, f"and {rest} more", indent=LEGEND_INDENT)


def _write_name_and_figures(tile: HeaderTile, offset: float, name: str, figures: str, color: str) -> None:
    """Write a name, shortened if necessary, and figures, which never are."""
    text_style = TextStyle(theme.TEXT_SIZE, color)
    room = tile.room - LEGEND_INDENT - NAME_GAP - tile.canvas.width_of(figures, text_style)
    written = tile.canvas.text((tile.left + LEGEND_INDENT, tile.top + offset), name, text_style, room)
    tile.line(offset, figures, text_style, LEGEND_INDENT + tile.canvas.width_of(written, text_style) + NAME_GAP)


def _spread_text(series: RunSeries, panel: Panel) -> str:
    spread = compute_spread(statistics.measured_values([series], panel.metric))
    if spread is None:
        return labels.NO_RESULT
    median, low, high = (
        units.format_number(value / panel.axis.divisor) for value in (spread.median, spread.p5, spread.p95)
    )
    return f"{median} ({low} to {high})"


def _fill_tests_tile(tile: HeaderTile, counts: AttemptCounts) -> None:
    tile.caption("Tests", theme.INK)
    tile.big(f"{counts.attempts:,}", labels.describe_run_count(counts), theme.INK)
    tile.line(FIRST_LINE, labels.describe_successes(counts))
    tile.line(SECOND_LINE, labels.describe_failures(counts))
