"""The header of a graph: title, facts, and four tiles with the numbers to quote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.graph import stats, style, words
from monitor.graph.key import INDENT, MOST_LINES, draw_stroke
from monitor.graph.panel import colors
from monitor.graph.sheet import Pen
from monitor.spread import spread_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.panel import Panel
    from monitor.graph.sheet import Sheet
    from monitor.graph.stats import Tally
    from monitor.graph.track import Track

TITLE = Pen(style.TITLE_SIZE, style.INK, bold=True)
LINE = Pen(style.TEXT_SIZE, style.QUIET)
SMALL = Pen(style.SMALL_SIZE, style.QUIET)
NOTHING = Pen(style.TEXT_SIZE + 4, style.QUIET)
TILE_GAP = 16
# Width of the last tile, which has the longest lines, relative to the others when all are side by side.
TESTS_SHARE = 1.5
CAPTION, BIG, FIRST_LINE, SECOND_LINE, THIRD_LINE = 17, 46, 64, 80, 96
TRACK_LINE, NAME_GAP = 19, 5


def draw_title(canvas: Sheet, title: str, groups: Sequence[Sequence[str]]) -> float:
    """Write the title and below it groups of facts, each on a new line; return the y of the last line."""
    room = canvas.width - 2 * style.EDGE
    canvas.text((style.EDGE, style.TITLE_Y), title, TITLE, room)
    y = float(style.TITLE_Y + 4)
    for line in (line for group in groups for line in canvas.wrap(group, words.BETWEEN, LINE, room)):
        y += style.LINE
        canvas.text((style.EDGE, y), line, LINE, room)
    return y


def tiles_height(canvas: Sheet) -> int:
    """Return the height of the tiles: two rows of two on a narrow canvas."""
    return style.TILE_HEIGHT + (style.TILE_HEIGHT + TILE_GAP if canvas.width < style.NARROW else 0)


def draw_tiles(canvas: Sheet, panels: Sequence[Panel], all_series: Sequence[Track], counts: Tally, top: float) -> None:
    """Write the median and the percentiles of each metric, and the number of tests."""
    *metrics, tests = _tiles(canvas, len(panels) + 1, top)
    for tile, panel in zip(metrics, panels, strict=True):
        if len(all_series) > 1:
            _compare(tile, panel, all_series)
        else:
            _metric(tile, panel, all_series)
    _tests(tests, counts)


def _tiles(canvas: Sheet, count: int, top: float) -> list[Tile]:
    narrow = canvas.width < style.NARROW
    columns, shares = (2, 2.0) if narrow else (count, count - 1 + TESTS_SHARE)
    step = (canvas.width - 2 * style.EDGE + TILE_GAP) / shares
    widest = step if narrow else step * TESTS_SHARE
    rooms = [step - TILE_GAP] * (count - 1) + [widest - TILE_GAP]
    places = [
        (style.EDGE + index % columns * step, top + index // columns * (style.TILE_HEIGHT + TILE_GAP))
        for index in range(count)
    ]
    return [Tile(canvas, x, y, room) for (x, y), room in zip(places, rooms, strict=True)]


@dataclass(frozen=True, slots=True)
class Tile:
    """A box of the header: a caption under a rule, a big number, two lines."""

    canvas: Sheet
    left: float
    top: float
    room: float

    def caption(self, text: str, color: str) -> None:
        """Write what the tile is about."""
        self.canvas.rules([((self.left, self.top), (self.left + self.room, self.top))], color)
        self.line(CAPTION, text)

    def big(self, figure: str, unit: str, color: str) -> None:
        """Write the number that people quote."""
        text_style = Pen(style.BIG_SIZE, color, bold=True)
        self.canvas.text((self.left, self.top + BIG), figure, text_style)
        width = self.canvas.width_of(figure, text_style) + 6
        self.canvas.text((self.left + width, self.top + BIG), unit, LINE, self.room - width)

    def figure(self, figure: str | None, unit: str, color: str, otherwise: str = "no result") -> None:
        """Write the number that people quote, or in words that there is none."""
        if figure is None:
            self.line(BIG, otherwise, NOTHING)
        else:
            self.big(figure, unit, color)

    def lines(self, texts: Sequence[str]) -> None:
        """Write up to three lines below the number."""
        for offset, text in zip((FIRST_LINE, SECOND_LINE, THIRD_LINE), texts, strict=False):
            self.line(offset, text)

    def line(self, offset: float, text: str, text_style: Pen = SMALL, indent: float = 0) -> None:
        """Write one line, so far below the top of the tile."""
        self.canvas.text((self.left + indent, self.top + offset), text, text_style, self.room - indent)


def _metric(tile: Tile, panel: Panel, all_series: Sequence[Track]) -> None:
    color = style.METRICS[panel.metric]
    tile.caption(f"{words.NAMES[panel.metric]}, median", color)
    spread = spread_of(stats.values(all_series, panel.metric))
    if spread is None:
        tile.line(BIG, "no result", NOTHING)
        return
    tile.big(words.number(spread.median / panel.axis.divisor), panel.axis.unit, color)
    tile.line(FIRST_LINE, words.spread_words(spread, panel.axis))
    if comparison := stats.standing(all_series, panel.metric, spread.median):
        tile.line(SECOND_LINE, words.plan_words(comparison, panel.promises, panel.metric, panel.axis))
        tile.line(THIRD_LINE, words.met_words(comparison.met))


def _compare(tile: Tile, panel: Panel, all_series: Sequence[Track]) -> None:
    """Write one line per series, with a legend stroke, instead of one big number; only the first few of many."""
    tile.caption(
        f"{words.NAMES[panel.metric]}, {panel.axis.unit}: median (5 to 95 %)",
        style.METRICS[panel.metric],
    )
    shown = all_series if len(all_series) <= MOST_LINES else all_series[: MOST_LINES - 1]
    offset = 40.0
    for index, (series, color) in enumerate(zip(shown, colors(panel.metric, len(shown)), strict=True)):
        draw_stroke(tile.canvas, (tile.left, tile.top + offset), index, color)
        _name_and_figures(tile, offset, words.track_name(series, all_series), _in_brackets(series, panel), color)
        offset += TRACK_LINE
    if rest := len(all_series) - len(shown):
        tile.line(offset, f"and {rest} more", indent=INDENT)


def _name_and_figures(tile: Tile, offset: float, name: str, figures: str, color: str) -> None:
    """Write a name, shortened if necessary, and figures, which never are."""
    text_style = Pen(style.TEXT_SIZE, color)
    room = tile.room - INDENT - NAME_GAP - tile.canvas.width_of(figures, text_style)
    written = tile.canvas.text((tile.left + INDENT, tile.top + offset), name, text_style, room)
    tile.line(offset, figures, text_style, INDENT + tile.canvas.width_of(written, text_style) + NAME_GAP)


def _in_brackets(series: Track, panel: Panel) -> str:
    spread = spread_of(stats.values([series], panel.metric))
    if spread is None:
        return "no result"
    median, low, high = (words.number(value / panel.axis.divisor) for value in (spread.median, spread.p5, spread.p95))
    return f"{median} ({low} to {high})"


def _tests(tile: Tile, counts: Tally) -> None:
    tile.caption("Tests", style.INK)
    tile.big(f"{counts.runs:,}", words.runs_words(counts), style.INK)
    tile.line(FIRST_LINE, words.success_words(counts))
    tile.line(SECOND_LINE, words.failure_words(counts))
