"""Formats whose every row or object is a run by itself: CSV of any delimiter, JSON objects, database rows. Pure."""

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
    """How a text is a table: its format, its delimiter, and its columns by their plain names."""

    form: Format
    delimiter: str
    columns: tuple[str, ...]


def find(line: str, forms: Sequence[Format]) -> Table | None:
    """Return the table that a line is the header of, or a row of one that has none."""
    for delimiter in DELIMITERS:
        row = next(_rows([line], delimiter), [])
        columns = tuple(plain(name) for name in row)
        for form in forms:
            if form.knows(dict.fromkeys(columns)):
                return Table(form, delimiter, columns)
            if form.fits(row):
                return Table(form, delimiter, form.header)
    return None


def nothing(_pieces: Iterable[str], _context: Context) -> Iterator[Record]:
    """Yield no record of a text that has none."""
    yield from ()


def from_lines(table: Table, pieces: Iterable[str], context: Context) -> Iterator[Record]:
    """Yield a record for each row of a text that is a table."""
    for line, row in _numbered(table, _lines(pieces)):
        if not any(row) or _is_header(row, table.columns):
            continue
        if len(row) == len(table.columns):
            yield _record(table.form, line, dict(zip(table.columns, row, strict=True)), context)
        else:
            shown = table.delimiter.join(map(str, row))[:_SHOWN]
            yield Refused(line, f"no row of {len(table.columns)} columns: {shown!r}")


def from_objects(form: Format, pieces: Iterable[str], context: Context) -> Iterator[Record]:
    """Yield a record for each JSON object of a text, and for what is none."""
    for line, item in objects.items(pieces):
        if isinstance(item, str):
            yield Refused(line, f"no result: {item[:_SHOWN]!r}")
            continue
        for row in objects.rows_within(item):
            yield _of_object(form, line, row, context)


def from_rows(form: Format, rows: Iterable[Fields], context: Context) -> Iterator[Record]:
    """Yield a record for each row of a database; rows count from 1."""
    for number, row in enumerate(rows, 1):
        yield _record(form, number, with_plain_names(row), context)


def _is_header(row: list[object], columns: tuple[str, ...]) -> bool:
    # Almost every row is told by its first field.
    return plain(str(row[0])) == columns[0] and tuple(plain(str(name)) for name in row) == columns


def _of_object(form: Format, line: int, item: Fields, context: Context) -> Record:
    fields = item if form.nested else with_plain_names(item)
    return _record(form, line, fields, context) if form.knows(fields) else Refused(line, f"no object of {form.name}")


def _record(form: Format, line: int, fields: Fields, context: Context) -> Record:
    try:
        return Taken(line, form.read(fields, context))
    except UnusableError as error:
        return Refused(line, str(error))


def _numbered(table: Table, lines: Iterable[str]) -> Iterator[tuple[int, list[object]]]:
    """Yield the rows with the number of the line that each ends on."""
    if table.form.split is not None:
        for number, line in enumerate(lines, 1):
            yield number, table.form.split(line.strip("\r\n\ufeff"))
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
    """Yield whole lines: a piece may be a part of a very long one."""
    held = ""
    for piece in pieces:
        held += piece
        if held.endswith("\n"):
            yield held
            held = ""
    if held:
        yield held
