"""Reads formats in which every row or object is a run: CSV of any delimiter, JSON objects, database rows. Pure."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.importing import objects
from monitor.importing.cells import plain, with_plain_names
from monitor.importing.model import Refused, Taken, UnusableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.importing.model import Context, Fields, Format, Record

DELIMITERS = ",;\t"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Table:
    """The layout of a table: its format, its delimiter, and the normalized names of its columns."""

    format: Format
    delimiter: str
    columns: tuple[str, ...]


def find(line: str, candidates: Sequence[Format]) -> Table | None:
    """Return the layout of the table whose header a line is, or a row of which it is if there is no header."""
    for delimiter in DELIMITERS:
        row = next(_rows([line], delimiter), [])
        columns = tuple(plain(name) for name in row)
        for candidate in candidates:
            if candidate.matches(dict.fromkeys(columns)):
                return Table(candidate, delimiter, columns)
            if candidate.matches_row(row):
                return Table(candidate, delimiter, candidate.header)
    return None


def nothing(_pieces: Iterable[str], _context: Context) -> Iterator[Record]:
    """Yield nothing, for an empty text."""
    yield from ()


def from_lines(table: Table, pieces: Iterable[str], context: Context) -> Iterator[Record]:
    """Yield a record for each row of a text that is a table."""
    for line, row in _numbered(table, _lines(pieces)):
        if not any(row) or _is_header(row, table.columns):
            continue
        if len(row) == len(table.columns):
            yield _record(table.format, line, dict(zip(table.columns, row, strict=True)), context)
        else:
            shown = table.delimiter.join(map(str, row))[:_SHOWN]
            yield Refused(line, f"not a row of {len(table.columns)} columns: {shown!r}")


def from_objects(row_format: Format, pieces: Iterable[str], context: Context) -> Iterator[Record]:
    """Yield a record for each JSON object of a text, and for each other line."""
    for line, item in objects.items(pieces):
        if isinstance(item, str):
            yield Refused(line, f"not a result: {item[:_SHOWN]!r}")
            continue
        for row in objects.rows_within(item):
            yield _of_object(row_format, line, row, context)


def from_rows(row_format: Format, rows: Iterable[Fields], context: Context) -> Iterator[Record]:
    """Yield a record for each row of a database or Parquet file; rows are numbered from 1."""
    for number, row in enumerate(rows, 1):
        yield _record(row_format, number, with_plain_names(row), context)


def _is_header(row: list[object], columns: tuple[str, ...]) -> bool:
    # The first field decides for almost every row, which is faster.
    return plain(str(row[0])) == columns[0] and tuple(plain(str(name)) for name in row) == columns


def _of_object(row_format: Format, line: int, item: Fields, context: Context) -> Record:
    fields = item if row_format.is_nested else with_plain_names(item)
    if row_format.matches(fields):
        return _record(row_format, line, fields, context)
    return Refused(line, f"not an object of {row_format.name}")


def _record(row_format: Format, line: int, fields: Fields, context: Context) -> Record:
    try:
        return Taken(line, row_format.read(fields, context))
    except UnusableError as error:
        return Refused(line, str(error))


def _numbered(table: Table, lines: Iterable[str]) -> Iterator[tuple[int, list[object]]]:
    """Yield the rows, each with the number of the line on which it ends."""
    if table.format.split_line is not None:
        for number, line in enumerate(lines, 1):
            yield number, table.format.split_line(line.strip("\r\n\ufeff"))
        return
    reader = csv.reader(lines, delimiter=table.delimiter)
    while True:
        try:
            for row in reader:
                yield reader.line_num, [*row]
        except csv.Error as error:
            yield reader.line_num, [str(error)]
        else:
            return


def _rows(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Join pieces, which may be parts of a very long line, into whole lines."""
    pending = ""
    for piece in pieces:
        pending += piece
        if pending.endswith("\n"):
            yield pending
            pending = ""
    if pending:
        yield pending
