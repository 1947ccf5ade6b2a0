"""The header of a graph: what, when, who, and four tiles with the numbers to quote."""

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
# The last tile, which has the longest lines, against the others when all stand side by side.
TESTS_SHARE = 1.5
CAPTION, BIG, FIRST_LINE, SECOND_LINE, THIRD_LINE = 17, 46, 64, 80, 96
TRACK_LINE, NAME_GAP = 19, 5


def draw_title(sheet: Sheet, title: str, groups: Sequence[Sequence[str]]) -> float:
    """Write the title and below it groups of facts, each from a new line; return where the last line stands."""
    room = sheet.width - 2 * style.EDGE
    sheet.text((style.EDGE, style.TITLE_Y), title, TITLE, room)
    y = float(style.TITLE_Y + 4)
    for line in (line for group in groups for line in sheet.wrap(group, words.BETWEEN, LINE, room)):
        y += style.LINE
        sheet.text((style.EDGE, y), line, LINE, room)
    return y


def tiles_height(sheet: Sheet) -> int:
    """Return how much of the sheet the tiles take: two rows of two where it is narrow."""
    return style.TILE_HEIGHT + (style.TILE_HEIGHT + TILE_GAP if sheet.width < style.NARROW else 0)


def draw_tiles(sheet: Sheet, panels: Sequence[Panel], tracks: Sequence[Track], tally: Tally, top: float) -> None:
    """Write the median and the percentiles of each metric, and the number of tests."""
    *metrics, tests = _tiles(sheet, len(panels) + 1, top)
    for tile, panel in zip(metrics, panels, strict=True):
        if len(tracks) > 1:
            _compare(tile, panel, tracks)
        else:
            _metric(tile, panel, tracks)
    _tests(tests, tally)


def _tiles(sheet: Sheet, count: int, top: float) -> list[Tile]:
    narrow = sheet.width < style.NARROW
    columns, shares = (2, 2.0) if narrow else (count, count - 1 + TESTS_SHARE)
    step = (sheet.width - 2 * style.EDGE + TILE_GAP) / shares
    widest = step if narrow else step * TESTS_SHARE
    rooms = [step - TILE_GAP] * (count - 1) + [widest - TILE_GAP]
    places = [
        (style.EDGE + index % columns * step, top + index // columns * (style.TILE_HEIGHT + TILE_GAP))
        for index in range(count)
    ]
    return [Tile(sheet, x, y, room) for (x, y), room in zip(places, rooms, strict=True)]


@dataclass(frozen=True, slots=True)
class Tile:
    """A box of the header: a caption under a rule, a big number, two lines."""

    sheet: Sheet
    left: float
    top: float
    room: float

    def caption(self, text: str, color: str) -> None:
        """Write what the tile is about."""
        self.sheet.rules([((self.left, self.top), (self.left + self.room, self.top))], color)
        self.line(CAPTION, text)

    def big(self, figure: str, unit: str, color: str) -> None:
        """Write the number that people quote."""
        pen = Pen(style.BIG_SIZE, color, bold=True)
        self.sheet.text((self.left, self.top + BIG), figure, pen)
        width = self.sheet.width_of(figure, pen) + 6
        self.sheet.text((self.left + width, self.top + BIG), unit, LINE, self.room - width)

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

    def line(self, offset: float, text: str, pen: Pen = SMALL, indent: float = 0) -> None:
        """Write one line, so far below the top of the tile."""
        self.sheet.text((self.left + indent, self.top + offset), text, pen, self.room - indent)


def _metric(tile: Tile, panel: Panel, tracks: Sequence[Track]) -> None:
    color = style.METRICS[panel.metric]
    tile.caption(f"{words.NAMES[panel.metric]}, median", color)
    spread = spread_of(stats.values(tracks, panel.metric))
    if spread is None:
        tile.line(BIG, "no result", NOTHING)
        return
    tile.big(words.number(spread.median / panel.axis.divisor), panel.axis.unit, color)
    tile.line(FIRST_LINE, words.spread_words(spread, panel.axis))
    if found := stats.standing(tracks, panel.metric, spread.median):
        tile.line(SECOND_LINE, words.plan_words(found, panel.promises, panel.metric, panel.axis))
        tile.line(THIRD_LINE, words.met_words(found.met))


def _compare(tile: Tile, panel: Panel, tracks: Sequence[Track]) -> None:
    """Write one line a track instead of one big number, with a piece of its line; of many, the first few."""
    tile.caption(
        f"{words.NAMES[panel.metric]}, {panel.axis.unit}: median (5 to 95 %)",
        style.METRICS[panel.metric],
    )
    shown = tracks if len(tracks) <= MOST_LINES else tracks[: MOST_LINES - 1]
    offset = 40.0
    for index, (track, color) in enumerate(zip(shown, colors(panel.metric, len(shown)), strict=True)):
        draw_stroke(tile.sheet, (tile.left, tile.top + offset), index, color)
        _name_and_figures(tile, offset, words.track_name(track, tracks), _in_brackets(track, panel), color)
        offset += TRACK_LINE
    if rest := len(tracks) - len(shown):
        tile.line(offset, f"and {rest} more", indent=INDENT)


def _name_and_figures(tile: Tile, offset: float, name: str, figures: str, color: str) -> None:
    """Write a name, cut where it is long, and figures, which never are."""
    pen = Pen(style.TEXT_SIZE, color)
    room = tile.room - INDENT - NAME_GAP - tile.sheet.width_of(figures, pen)
    written = tile.sheet.text((tile.left + INDENT, tile.top + offset), name, pen, room)
    tile.line(offset, figures, pen, INDENT + tile.sheet.width_of(written, pen) + NAME_GAP)


def _in_brackets(track: Track, panel: Panel) -> str:
    spread = spread_of(stats.values([track], panel.metric))
    if spread is None:
        return "no result"
    median, low, high = (words.number(value / panel.axis.divisor) for value in (spread.median, spread.p5, spread.p95))
    return f"{median} ({low} to {high})"


def _tests(tile: Tile, tally: Tally) -> None:
    tile.caption("Tests", style.INK)
    tile.big(f"{tally.runs:,}", words.runs_words(tally), style.INK)
    tile.line(FIRST_LINE, words.success_words(tally))
    tile.line(SECOND_LINE, words.failure_words(tally))
