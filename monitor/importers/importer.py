"""Recognizes which program wrote a file, and yields its runs.

To add a format, list it here: in `OBJECT_FORMATS` if it matches objects as a program prints them, in `TABLE_FORMATS` if
it matches rows. The first object, header or row of a known format decides.
"""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from monitor.errors import UsageError
from monitor.importers import (
    columns,
    librespeed,
    myspeed,
    ookla,
    ookla_rows,
    printed,
    readers,
    sources,
    speedmon,
    speedtest_cli,
    speedtest_tracker,
    tables,
)
from monitor.importers.base import normalize_names
from monitor.importers.times import DateOrderEvidence, has_numeric_date
from monitor.output import export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from monitor.importers.base import Fields, ImportContext, Record
    from monitor.importers.columns import ColumnMap
    from monitor.importers.readers import Item
    from monitor.importers.rows import ImportFormat
    from monitor.importers.sources import OpenedFile
    from monitor.importers.tables import TableLayout

    Reader = Callable[[Iterable[str], ImportContext], Iterator[Record]]


# Longer lines are read in pieces, so that an array of years on one line needs no more memory than other files.
_PIECE_CHARS = 64 * 1024

# How much of a text is read to recognize its format.
_HEAD_CHARS = 1024 * 1024

_MAX_EMPTY_PIECES, _EMPTY_TEXTS = 10, ("", "[]")

_SQLITE_TABLES = ("results", "speedtests", "speedtest")

OBJECT_FORMATS = (speedmon.OBJECTS, speedtest_cli.OBJECTS, librespeed.OBJECTS)

# A later format may match what an earlier one does.
TABLE_FORMATS = (
    speedmon.ROWS,
    speedtest_tracker.ROWS,
    speedtest_tracker.OLD_ROWS,
    myspeed.ROWS,
    speedtest_cli.ROWS,
    librespeed.ROWS,
    columns.PIHOLE,
    columns.EXTRAS,
    speedtest_cli.PARTS_OF_ROWS,
    columns.TABLE,
)

# Recognized by the titles of columns, which objects do not have.
_TITLED_FORMATS = (speedtest_cli.PARTS_OF_ROWS, columns.TABLE)

ANY_FORMAT = "auto"

FORMAT_NAMES = tuple(
    dict.fromkeys([speedmon.NAME, ookla.NAME, *(known.name for known in (*OBJECT_FORMATS, *TABLE_FORMATS))])
)

_PRINTED_NAMES = {ANY_FORMAT, ookla.NAME, speedtest_cli.NAME}


@dataclass(frozen=True, slots=True)
class ImportSource:
    """An open file: the program that wrote it, its records, its length and the position reached, in bytes or rows."""

    program: str
    records: Iterator[Record]
    length: int
    position: Callable[[], int]


@contextmanager
def open_source(
    file: Path, context: ImportContext, wanted: str = ANY_FORMAT, column_map: ColumnMap | None = None
) -> Iterator[ImportSource]:
    """Open a file, or standard input if it is called `-`, and yield its records, streamed.

    Raises:
        UsageError: the file cannot be read, or its format is not known.
    """
    try:
        with sources.open_file(file) as opened:
            if opened.magic == sources.SQLITE_MAGIC:
                with closing(sources.open_sqlite(opened.path)) as connection:
                    yield _source_from_sqlite(connection, file, context, wanted)
            elif opened.magic.startswith(sources.PARQUET_MAGIC):
                yield _source_from_parquet(opened.path, context)
            else:
                yield _source_from_text(opened, file, context, wanted, column_map)
    except (OSError, EOFError, zlib.error, sqlite3.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(f"{file}: cannot be read: {reason}") from error


def unknown_format(file: Path, wanted: str) -> UsageError:
    """Return the error for a file of an unknown format."""
    known = ", ".join(FORMAT_NAMES) if wanted == ANY_FORMAT else wanted
    return UsageError(
        f"{file}: nothing in it has a format that can be imported (known: {known}); for another table, name its columns"
        " with --map"
    )


def _source_from_text(
    opened: OpenedFile, file: Path, context: ImportContext, wanted: str, column_map: ColumnMap | None
) -> ImportSource:
    head = _read_head(_pieces(opened))
    # An empty export is a valid file.
    if _is_empty_export(head):
        return ImportSource(speedmon.NAME, iter(()), opened.length, opened.position)
    recognized = find_mapped_reader(head, column_map, file) if column_map else find_reader(head, wanted)
    if recognized is None:
        raise unknown_format(file, wanted)
    program, reader = recognized
    if context.date_order is None and any(map(has_numeric_date, head)):
        context = replace(context, date_order=find_date_order(_pieces(opened)))
    return ImportSource(program, reader(_pieces(opened), context), opened.length, opened.position)


def _pieces(opened: OpenedFile) -> Iterator[str]:
    text = opened.open_text()
    return iter(lambda: text.readline(_PIECE_CHARS), "")


def find_date_order(pieces: Iterable[str]) -> str | None:
    """Return the order of the dates of a whole text; None if several are possible, or none."""
    evidence = DateOrderEvidence()
    for piece in pieces:
        evidence.add(piece)
    return evidence.order


def _read_head(pieces: Iterator[str]) -> list[str]:
    """Take the first pieces of a text, enough to recognize its format."""
    head: list[str] = []
    length = 0
    while length < _HEAD_CHARS and (piece := next(pieces, "")):
        head.append(piece)
        length += len(piece)
    return head


def _is_empty_export(head: list[str]) -> bool:
    return len(head) < _MAX_EMPTY_PIECES and "".join("".join(head).split()) in _EMPTY_TEXTS


def _source_from_parquet(file: Path, context: ImportContext) -> ImportSource:
    rows = _CountedRows(export.read_parquet(file))
    return ImportSource(
        speedmon.NAME, readers.read_rows(speedmon.ROWS, rows, context), export.count_parquet_rows(file), rows.position
    )


def _source_from_sqlite(
    connection: sqlite3.Connection, file: Path, context: ImportContext, wanted: str
) -> ImportSource:
    for table in _SQLITE_TABLES:
        names = sources.table_columns(connection, table)
        row_format = find_table_format(normalize_names({name: name for name in names}), wanted)
        if row_format is not None:
            length = sources.count_rows(connection, table)
            rows = _CountedRows(sources.read_table_rows(connection, table, names))
            return ImportSource(row_format.name, readers.read_rows(row_format, rows, context), length, rows.position)
    raise unknown_format(file, wanted)


class _CountedRows:
    """An iterator of rows that counts how many were read."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self._read = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            self._read += 1
            yield row

    def position(self) -> int:
        return self._read


def find_reader(head: Sequence[str], wanted: str = ANY_FORMAT) -> tuple[str, Reader] | None:
    """Return the name of the program that wrote a text, and a reader for all of it; None if no format matches.

    Args:
        head: the first pieces of the text.
        wanted: the only program to consider, or `ANY_FORMAT`.
    """
    # An error message alone may be in any output of Ookla's CLI.
    fallback: tuple[str, Reader] | None = None
    for _line, item in readers.read_items(head):
        recognized = _reader_of_object(item, wanted) if isinstance(item, dict) else _reader_of_line(item, wanted, head)
        if recognized is not None:
            return recognized
        if fallback is None and wanted in {ANY_FORMAT, ookla.NAME} and ookla.is_ookla_item(item):
            fallback = _reader_of_ookla_log(head, item)
    return fallback


def find_mapped_reader(head: Sequence[str], column_map: ColumnMap, file: Path) -> tuple[str, Reader]:
    """Return a reader for a table with the columns that `--map` names.

    Raises:
        UsageError: there is no such table.
    """
    mapped = column_map.to_format()
    lines = [line for _number, line in readers.read_items(head) if isinstance(line, str)]
    for line in lines:
        if table := tables.recognize_table(line, [mapped]):
            return columns.NAME, _reader_of_table(table, head)
    shown = next(iter(lines), "").strip()[:200]
    raise UsageError(f"{file}: --map: no line has the columns {column_map.titles}; the first line is {shown!r}")


def find_table_format(fields: Fields, wanted: str = ANY_FORMAT) -> ImportFormat | None:
    """Return the format of rows with these normalized names, whose values are the names; None if there is none."""
    return next((table for table in _wanted_formats(TABLE_FORMATS, wanted) if table.matches(fields)), None)


def _wanted_formats(candidates: tuple[ImportFormat, ...], wanted: str) -> list[ImportFormat]:
    return [candidate for candidate in candidates if wanted in {ANY_FORMAT, candidate.name}]


def _reader_of_object(item: Item, wanted: str) -> tuple[str, Reader] | None:
    first = next(iter(readers.unwrap_rows(item)), {}) if isinstance(item, dict) else {}
    matching = next(
        (candidate for candidate in _wanted_formats(OBJECT_FORMATS, wanted) if candidate.matches(first)), None
    )
    matching = matching or find_table_format(normalize_names({name: name for name in first}), wanted)
    if matching is not None and matching not in _TITLED_FORMATS:
        return matching.name, partial(readers.read_objects, matching)
    is_log = wanted in {ANY_FORMAT, ookla.NAME} and ookla.is_ookla_item(item)
    return _reader_of_ookla_log((), item) if is_log else None


def _reader_of_ookla_log(head: Sequence[str], item: Item) -> tuple[str, Reader]:
    delimiter = ookla_rows.find_delimiter(item) if isinstance(item, str) else ","
    style = tables.detect_table_style(head, delimiter)

    def read(pieces: Iterable[str], context: ImportContext) -> Iterator[Record]:
        return ookla.read_log(readers.read_items(pieces), context, style)

    return ookla.NAME, read


def _reader_of_line(line: str, wanted: str, head: Sequence[str]) -> tuple[str, Reader] | None:
    table = tables.recognize_table(line, _wanted_formats(TABLE_FORMATS, wanted))
    if table is not None:
        return table.format.name, _reader_of_table(table, head)
    if wanted in _PRINTED_NAMES and printed.is_printed(line):
        return ookla.NAME if "Ookla" in line else speedtest_cli.NAME, _read_printed
    is_result = wanted in {ANY_FORMAT, ookla.NAME} and (
        ookla_rows.find_row(line) is not None or ookla_rows.is_csv_header(line)
    )
    return _reader_of_ookla_log(head, line) if is_result else None


def _reader_of_table(table: TableLayout, head: Sequence[str]) -> Reader:
    return partial(tables.read_table, replace(table, style=tables.detect_table_style(head, table.delimiter)))


def _read_printed(pieces: Iterable[str], context: ImportContext) -> Iterator[Record]:
    return printed.read_printed(readers.read_items(pieces), context)
