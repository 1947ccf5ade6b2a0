"""A table on paper: columns as wide as what stands in them, rows that are not broken, the head again on each sheet."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from monitor.report.pdf.look import INK, LEFT, LINK, WIDTH, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.report.blocks import Cell, Column, Table
    from monitor.report.pdf.look import Colour
    from monitor.report.pdf.paper import Paper

CAPTION, HEAD, BODY, LINKED = Type(9, bold=True), Type(7, bold=True), Type(7), Type(7, colour=LINK)
PAD_X, PAD_Y = 1.3, 0.4
# What a column has beside its text: a little more than the padding, for the sums of widths are rounded.
ROOM = 2 * PAD_X + 0.5
# So many rows tell how wide the columns are: there may be more rows than one wants to hold.
SAMPLE = 500
# A shade leaves the rule above it alone.
HAIR = 0.1
# A taller row is put down as several, so that each fits a sheet.
TALLEST = 40
SHADE: Colour = (240, 150, 85)


def grid(table: Table, paper: Paper) -> None:
    """Put a table on paper, row by row as they come."""
    rows = iter(table.rows)
    first = list(islice(rows, SAMPLE))
    _Grid(table, _widths(table.columns, first, paper), paper).put(chain(first, rows))


class _Grid:
    def __init__(self, table: Table, widths: Sequence[float], paper: Paper) -> None:
        self._table, self._widths, self._paper = table, widths, paper
        self._lefts = [LEFT + sum(widths[:at]) for at in range(len(widths))]

    def put(self, rows: Iterator[tuple[Cell, ...]]) -> None:
        self._paper.need(CAPTION.line * 2 + self._head_height() + BODY.line * 4)
        self._paper.column(self._table.caption, CAPTION)
        self._paper.y += 1
        self._head()
        for row in rows:
            self._row(row)
        self._paper.rule(self._paper.y, INK, 0.4)

    def _titles(self) -> list[list[str]]:
        columns = zip(self._table.columns, self._widths, strict=True)
        return [self._paper.wrap(column.name, width - 2 * PAD_X, HEAD) for column, width in columns]

    def _head_height(self) -> float:
        return max(map(len, self._titles()), default=0) * HEAD.line + 2 * PAD_Y

    def _head(self) -> None:
        paper, height = self._paper, self._head_height()
        paper.rule(paper.y, INK, 0.4)
        for at, lines in enumerate(self._titles()):
            self._lines(lines, at, paper.y + height - PAD_Y - len(lines) * HEAD.line, HEAD)
        paper.y += height
        paper.rule(paper.y, INK, 0.2)

    def _row(self, row: Sequence[Cell]) -> None:
        cells = zip(row, self._widths, strict=True)
        told = [self._paper.wrap(cell.text, width - 2 * PAD_X, BODY) for cell, width in cells]
        most = max(map(len, told), default=0)
        for start in range(0, most, TALLEST):
            self._part(row, [lines[start : start + TALLEST] for lines in told])
        self._paper.rule(self._paper.y)

    def _part(self, row: Sequence[Cell], told: Sequence[list[str]]) -> None:
        paper = self._paper
        height = max(map(len, told)) * BODY.line + 2 * PAD_Y
        if not paper.room(height):
            paper.rule(paper.y, INK, 0.4)
            paper.turn()
            self._head()
        for at, (cell, lines) in enumerate(zip(row, told, strict=True)):
            if cell.shade:
                paper.fill(self._lefts[at], paper.y + HAIR, self._widths[at], height - HAIR, _shaded(cell.shade))
            self._lines(lines, at, paper.y + PAD_Y, LINKED if cell.href else BODY)
            if cell.href:
                paper.link(self._lefts[at], paper.y, self._widths[at], height, cell.href)
        paper.y += height

    def _lines(self, lines: Sequence[str], at: int, y: float, kind: Type) -> None:
        align = self._table.columns[at].align
        x = self._lefts[at] + (PAD_X if align == "left" else self._widths[at] - PAD_X)
        for number, line in enumerate(lines):
            self._paper.put(line, x, y + number * kind.line, kind, align)


def _shaded(shade: float) -> Colour:
    """Return the colour of so much of the shade on white."""
    red, green, blue = (round(255 + (full - 255) * min(shade, 1)) for full in SHADE)
    return red, green, blue


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], paper: Paper) -> list[float]:
    """Return the widths of the columns, which fill the sheet."""
    needed, wanted = [], []
    for at, column in enumerate(columns):
        bodies = sorted(paper.width_of(row[at].text, BODY) for row in rows) or [0.0]
        usual = bodies[-1 if column.align == "right" else len(bodies) * 9 // 10]
        needed.append(max(usual, *(paper.width_of(word, HEAD) for word in column.name.split())) + ROOM)
        wanted.append(max(bodies[-1], paper.width_of(column.name, HEAD)) + ROOM)
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
