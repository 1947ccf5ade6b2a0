"""A table of any number of rows on the pages of a PDF: its rows come as they are needed, the head is on each page.

A table of platypus holds all its rows and goes through what is left of them on each page, and draws each cell as a text
of its own; for the tests of a month that took several times as long as this, and twice the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, Any

from reportlab.lib.colors import Color
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, FrameBreak

from monitor.report.pdf.page import BOLD, HAIR, HEIGHT, INK, LINK, PLAIN, WIDTH, width_of, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.report.document import Cell, Column, Table


SIZE, LINE, PAD_X, PAD_Y = 7, 7 * 1.42, 1.3 * mm, 0.4 * mm

# From the top of a line to where its letters stand.
BASE = (LINE + SIZE * 0.72) / 2

# What a column has beside its text: a little more than the padding, for the sums of widths are rounded.
ROOM = 2 * PAD_X + 1.5

# So many rows tell how wide the columns are: there may be more rows than one wants to hold.
SAMPLE = 500

# A taller row is put down as several, so that each fits a page.
TALLEST = 40

SHADE = (240, 150, 85)

Lines = tuple[str, ...]


def table_of(table: Table) -> Flowable:
    """Return what puts the rows of a table on as many pages as they take."""
    rows = iter(table.rows)
    first = list(islice(rows, SAMPLE))
    widths = _widths(table.columns, first)
    return _Rows(_Grid(tuple(table.columns), tuple(widths)), chain(first, rows))


@dataclass(frozen=True, slots=True)
class _Row:
    """A row, or as much of it as one page takes: its cells, their lines, and whether the row ends here."""

    cells: Sequence[Cell]
    lines: Sequence[Lines]
    last: bool

    @property
    def height(self) -> float:
        """The height on the page."""
        return _tall(self.lines)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The columns and their widths."""

    columns: tuple[Column, ...]
    widths: tuple[float, ...]

    @property
    def lefts(self) -> list[float]:
        """Where the columns begin."""
        return [0.0, *accumulate(self.widths[:-1])]

    def head(self) -> list[Lines]:
        """Return the lines of the names."""
        columns = zip(self.columns, self.widths, strict=True)
        return [wrap(column.name, width - 2 * PAD_X, BOLD, SIZE) for column, width in columns]

    def rows(self, cells: Sequence[Cell]) -> Iterator[_Row]:
        """Yield a row, in parts where it is taller than a page may be."""
        columns = zip(cells, self.widths, strict=True)
        lines = [wrap(cell.text, width - 2 * PAD_X, PLAIN, SIZE) for cell, width in columns]
        most = max(map(len, lines), default=0)
        for start in range(0, most, TALLEST):
            end = start + TALLEST
            yield _Row(cells, [part[start:end] for part in lines], end >= most)


class _Rows(Flowable):
    """The rows that are still to come: a page takes as many as it has room for."""

    def __init__(self, grid: _Grid, rows: Iterable[tuple[Cell, ...]]) -> None:
        super().__init__()
        self._grid, self._head = grid, grid.head()
        self._rows = (part for row in rows for part in grid.rows(row))
        self._next: _Row | None = next(self._rows, None)

    def wrap(self, width: float, _height: float) -> tuple[float, float]:
        """Ask for more than any page has, so as to be split."""
        return width, 10 * HEIGHT

    def split(self, _width: float, height: float) -> list[Any]:
        """Return the rows that have room, and what is left for the next page."""
        taken: list[_Row] = []
        room = height - _tall(self._head)
        while self._next and self._next.height <= room:
            taken.append(self._next)
            room -= self._next.height
            self._next = next(self._rows, None)
        if self._next and not taken:
            return []
        sheet = _Sheet(self._grid, self._head, taken)
        return [sheet, FrameBreak, self] if self._next else [sheet]


class _Sheet(Flowable):
    """The head and the rows of one page."""

    def __init__(self, grid: _Grid, head: Sequence[Lines], rows: Sequence[_Row]) -> None:
        super().__init__()
        self._grid, self._lefts, self._head, self._rows = grid, grid.lefts, head, rows
        heights = [_tall(head), *(row.height for row in rows)]
        self.width, self.height = WIDTH, sum(heights)
        # Where each row ends, the head first.
        self._ends = [self.height - down for down in accumulate(heights)]

    def wrap(self, *_: float) -> tuple[float, float]:
        """Return the size."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw the shades, all texts as one, and the lines."""
        for row, end in zip(self._rows, self._ends[1:], strict=True):
            self._mark(row, end)
        text = self.canv.beginText()
        text.setFont(BOLD, SIZE)
        text.setFillColor(INK)
        for at, lines in enumerate(self._head):
            self._put(text, at, lines, self._ends[0] + PAD_Y + len(lines) * LINE, BOLD)
        text.setFont(PLAIN, SIZE)
        for row, top in zip(self._rows, self._ends, strict=False):
            for at, lines in enumerate(row.lines):
                text.setFillColor(LINK if row.cells[at].href else INK)
                self._put(text, at, lines, top - PAD_Y, PLAIN)
        self.canv.drawText(text)
        self._rule()

    def _put(self, text: Any, at: int, lines: Lines, top: float, font: str) -> None:
        for number, line in enumerate(lines):
            x = self._lefts[at] + PAD_X
            if self._grid.columns[at].align == "right":
                x = self._lefts[at] + self._grid.widths[at] - PAD_X - width_of(line, font, SIZE)
            text.setTextOrigin(x, top - number * LINE - BASE)
            text.textOut(line)

    def _mark(self, row: _Row, end: float) -> None:
        """Shade cells, and make those lead to where they link."""
        for cell, left, width in zip(row.cells, self._lefts, self._grid.widths, strict=True):
            if cell.shade:
                self.canv.setFillColor(_shaded(cell.shade))
                self.canv.rect(left, end, width, row.height, stroke=0, fill=1)
            if cell.href:
                self.canv.linkURL(cell.href, (left, end, left + width, end + row.height), relative=1)

    def _rule(self) -> None:
        hairs = [end for row, end in zip(self._rows, self._ends[1:], strict=True) if row.last]
        for heights, weight, colour in (
            (hairs, 0.4, HAIR),
            (self._ends[:1], 0.6, INK),
            ([self.height, self._ends[-1]], 1.1, INK),
        ):
            self.canv.setLineWidth(weight)
            self.canv.setStrokeColor(colour)
            self.canv.lines([(0, height, WIDTH, height) for height in heights])


def _tall(lines: Iterable[Lines]) -> float:
    return float(max(map(len, lines), default=0) * LINE + 2 * PAD_Y)


def _shaded(shade: float) -> Color:
    """Return the colour of so much of the shade on white."""
    return Color(*((255 + (full - 255) * min(shade, 1)) / 255 for full in SHADE))


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[float]:
    """Return the widths of the columns, which fill the page."""
    needed, wanted = [], []
    for at, column in enumerate(columns):
        bodies = sorted(width_of(row[at].text, PLAIN, SIZE) for row in rows) or [0.0]
        usual = bodies[-1 if column.align == "right" else len(bodies) * 9 // 10]
        needed.append(max(usual, *(width_of(word, BOLD, SIZE) for word in column.name.split())) + ROOM)
        wanted.append(max(bodies[-1], width_of(column.name, BOLD, SIZE)) + ROOM)
    return fitted(needed, wanted, WIDTH)


def fitted(needed: Sequence[float], wanted: Sequence[float], width: float) -> list[float]:
    """Return widths that fill `width`: at least what is needed, up to what is wanted, and beyond that all alike.

    Where not even what is needed has room, the widest give way.
    """
    if sum(needed) > width:
        limit = _limit(sorted(needed), width)
        return [min(each, limit) for each in needed]
    if sum(wanted) <= width:
        spare = (width - sum(wanted)) / len(wanted)
        return [each + spare for each in wanted]
    part = (width - sum(needed)) / (sum(wanted) - sum(needed))
    return [each + part * (most - each) for each, most in zip(needed, wanted, strict=True)]


def _limit(ascending: Sequence[float], width: float) -> float:
    """Return the width above which columns are cut, so that all of them fit."""
    left = width
    for at, each in enumerate(ascending):
        share = left / (len(ascending) - at)
        if each > share:
            return share
        left -= each
    return left
