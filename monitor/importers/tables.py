"""Splits a text into the rows of a table, and reads them. Pure, streamed.

Tables are CSV with any delimiter. A header may be repeated, changed half-way or missing. A quote that is not closed
costs its own line, not those after it. A line, and a row that is spread over lines, have a limit.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from monitor.importers.base import SHOWN_CHARS, ImportNote, RejectedPart, normalize_name
from monitor.importers.quantities import DEFAULT_STYLE, detect_style
from monitor.importers.readers import closing_notes, to_records
from monitor.importers.rows import Row, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from monitor.importers.base import ImportContext, Record
    from monitor.importers.quantities import NumberStyle
    from monitor.importers.rows import ImportFormat


DELIMITERS = ",;\t|"

MAX_ROW_CHARS = 4 * 1024 * 1024

_STYLE_ROWS = 2000

# The first line that Excel writes and reads to name the delimiter.
_DELIMITER_LINE = re.compile(r'"?sep=.?"?', re.IGNORECASE)

_LINE_ENDS = ("\n", "\r")

_DECIMALS = re.compile(r"\d+(?:[.,](\d*))?", re.ASCII)

_AROUND_LINE = "\r\n\ufeff\0"

# The module's own limit of 128 KiB is less than the texts in an export may have.
csv.field_size_limit(MAX_ROW_CHARS)


@dataclass(frozen=True, slots=True)
class TableLayout:
    """The layout of a table: its format, its delimiter, and the names of its columns, normalized and as they are."""

    format: ImportFormat
    delimiter: str
    columns: tuple[str, ...]
    titles: tuple[str, ...] = ()
    style: NumberStyle = DEFAULT_STYLE


def recognize_table(line: str, candidates: Sequence[ImportFormat]) -> TableLayout | None:
    """Return the layout of the table whose header a line is, or a row of which it is if there is no header."""
    line = line.strip(_AROUND_LINE)
    own = {delimiter for candidate in candidates if (delimiter := candidate.find_delimiter(line))}
    for delimiter in [*own, *DELIMITERS]:
        row = _without_empty_end(split_line(line, delimiter) or [])
        columns = tuple(normalize_name(name) for name in row)
        for candidate in candidates:
            if candidate.matches(dict(zip(columns, row, strict=True))):
                return TableLayout(candidate, delimiter, columns, tuple(row))
            if candidate.matches_row(row):
                names = candidate.header[: len(row)]
                return TableLayout(candidate, delimiter, names, names)
    return None


def detect_table_style(head: Iterable[str], delimiter: str) -> NumberStyle:
    """Return what points and commas mean in the numbers of a table, from its first rows."""
    lines = (line for line in islice(join_lines(head), _STYLE_ROWS) if len(line) < MAX_ROW_CHARS)
    rows = (split_line(line, delimiter) or [] for line in lines)
    return detect_style((cell for row in rows for cell in row), delimiter)


def read_table(table: TableLayout, pieces: Iterable[str], context: ImportContext) -> Iterator[Record]:
    """Yield a record for each row of a text that is a table."""
    yield from _TableReader(table, context).read(pieces)


class _TableReader:
    """A table while it is read: its layout, which another header may change, and what its rows have in common."""

    def __init__(self, table: TableLayout, context: ImportContext) -> None:
        self._source = Source.of(context, table.style)
        self._last_cell: object = ""
        self._use(table)

    def _use(self, table: TableLayout) -> None:
        self._table = table
        self._names = frozenset(table.columns)
        self._source.titles = dict(zip(table.columns, table.titles, strict=True))

    def read(self, pieces: Iterable[str]) -> Iterator[Record]:
        number = 0
        for number, line, row in _split_rows(join_lines(pieces), self._split, self._is_complete):
            if row is None:
                yield RejectedPart(number, _problem_of_line(line))
            elif self._is_row(row):
                columns = self._columns_of(row)
                if columns is not None:
                    if not line.endswith(_LINE_ENDS) and self._may_be_cut(row[-1]):
                        yield ImportNote(number, "the file ends with this row and no line end: is its last number cut?")
                    self._last_cell = row[-1]
                    fields = dict(zip(columns, row, strict=False))
                    yield from to_records(self._table.format, number, Row(fields, self._source))
                elif not self._changes_layout(line) and not (number == 1 and _DELIMITER_LINE.fullmatch(line.strip())):
                    shown = line.strip(_AROUND_LINE)[:SHOWN_CHARS]
                    yield RejectedPart(number, f"not a row of {len(self._table.columns)} columns: {shown!r}")
        yield from closing_notes(self._source, number)

    def _may_be_cut(self, cell: object) -> bool:
        """Return whether a last cell has fewer decimals than the one above it."""
        above, last = (_DECIMALS.fullmatch(str(value).strip()) for value in (self._last_cell, cell))
        return bool(above and last and len(above[1] or "") > len(last[1] or ""))

    def _split(self, line: str) -> list[object] | None:
        if self._table.format.split_line is not None:
            cells = self._table.format.split_line(line.strip(_AROUND_LINE))
            if cells is not None:
                return cells
        row = split_line(line, self._table.delimiter)
        if (row is None or self._columns_of([*row]) is None) and (other := self._table.format.find_delimiter(line)):
            # speedtest-cli 1.0.0 always writes its header with commas, whatever its rows have.
            row = split_line(line, other) or row
        return [*row] if row is not None else None

    def _is_complete(self, row: list[object]) -> bool:
        return self._columns_of(row) is not None

    def _is_row(self, row: list[object]) -> bool:
        """Return whether a row is neither empty nor the header again, which may have changed."""
        if not any(cell is not None and str(cell).strip() for cell in row):
            return False
        # The first field decides for almost every row, which is faster.
        if normalize_name(str(row[0])) not in self._names:
            return True
        names = _without_empty_end([str(cell) for cell in row])
        columns = tuple(map(normalize_name, names))
        if not self._table.format.matches(dict(zip(columns, names, strict=True))):
            return True
        self._use(replace(self._table, columns=columns, titles=tuple(names)))
        return False

    def _columns_of(self, row: list[object]) -> tuple[str, ...] | None:
        """Return the names of the columns of a row; None if it has too many or too few."""
        columns, known = self._table.columns, self._table.format.header
        beyond = row[len(columns) :]
        if len(row) == len(columns) or (beyond and not any(str(cell).strip() for cell in beyond)):
            return columns
        is_known = columns == known[: len(columns)] and self._table.format.matches_row([str(cell) for cell in row])
        return known[: len(row)] if is_known else None

    def _changes_layout(self, line: str) -> bool:
        """Return whether a line is a header with another delimiter: two files were put together."""
        other = recognize_table(line, [self._table.format])
        first = (split_line(line, other.delimiter) or [""])[0] if other else ""
        if other is None or normalize_name(first) != other.columns[0]:
            return False
        self._use(replace(other, style=self._table.style))
        return True


def _problem_of_line(line: str) -> str:
    shown = line.strip(_AROUND_LINE)[:SHOWN_CHARS]
    too_long = len(line) >= MAX_ROW_CHARS
    return f"{f'longer than {MAX_ROW_CHARS:,} characters' if too_long else 'a quote is not closed'}: {shown!r}"


def _split_rows(
    lines: Iterable[str], split: Callable[[str], list[object] | None], is_complete: Callable[[list[object]], bool]
) -> Iterator[tuple[int, str, list[object] | None]]:
    """Yield the rows, each with its last line's number and its text; None in place of a row that cannot be split."""
    numbered, waiting = enumerate(lines, 1), deque[tuple[int, str]]()
    while (following := waiting.popleft() if waiting else next(numbered, None)) is not None:
        number, line = following
        row = split(line) if len(line) < MAX_ROW_CHARS else None
        if row is not None or len(line) >= MAX_ROW_CHARS or line.count('"') % 2 == 0:
            yield number, line, row
        else:
            rest = _take_quoted(line, numbered, waiting)
            text = line + "".join(part for _, part in rest)
            row = split(text) if text.count('"') % 2 == 0 else None
            if row is not None and is_complete(row):
                yield rest[-1][0], text, row
            else:
                waiting.extendleft(reversed(rest))
                yield number, line, None


def _take_quoted(
    line: str, numbered: Iterator[tuple[int, str]], waiting: deque[tuple[int, str]]
) -> list[tuple[int, str]]:
    """Take the lines up to the one that closes a quote, within the limit of a row."""
    taken: list[tuple[int, str]] = []
    length = len(line)
    while length < MAX_ROW_CHARS and (following := waiting.popleft() if waiting else next(numbered, None)) is not None:
        taken.append(following)
        length += len(following[1])
        if following[1].count('"') % 2:
            break
    return taken


def split_line(line: str, delimiter: str) -> list[str] | None:
    """Return the fields of a line; None if a quote in it is not closed."""
    try:
        if line.count('"') % 2:
            # Not strict below, as a quote inside of a field is allowed.
            return _split_odd(line, delimiter)
        return next(csv.reader([line.lstrip("\ufeff")], delimiter=delimiter), [])
    except (csv.Error, TypeError):
        return None


def _split_odd(line: str, delimiter: str) -> list[str] | None:
    """Split a line with an odd number of quotes, which is complete only if one of them is inside of a field."""
    try:
        return next(csv.reader([line.lstrip("\ufeff")], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        raise


def _without_empty_end(row: list[str]) -> list[str]:
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return row[:end]


def join_lines(pieces: Iterable[str]) -> Iterator[str]:
    """Join pieces, which may be parts of a very long line, into lines, each cut at its limit."""
    parts: list[str] = []
    length = 0
    for piece in pieces:
        if length < MAX_ROW_CHARS:
            parts.append(piece)
        length += len(piece)
        if piece.endswith(_LINE_ENDS):
            yield "".join(parts)
            parts, length = [], 0
    if parts:
        yield "".join(parts)
