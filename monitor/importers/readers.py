"""Splits a file into JSON objects or table rows, and reads formats in which each of them is a run. Pure, streamed.

JSON objects may stand one per line, concatenated, spread over lines, or in an array. Memory holds one object at a time.
Whatever is not an object, half an object included, becomes lines of text. Tables are CSV of any delimiter, or rows of a
database.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.engines.parsing import decode_object
from monitor.importers.base import (
    SHOWN_CHARS,
    ImportedRun,
    RejectedPart,
    UnusableRowError,
    normalize_name,
    normalize_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.importers.base import Fields, ImportContext, ImportFormat, Record


DELIMITERS = ",;\t"

Item = dict[str, object] | str

NumberedItem = tuple[int, Item]

# A longer text is not an object: a brace was opened and never closed.
MAX_OBJECT_CHARS = 4 * 1024 * 1024

# A text longer than this is not parsed again before it has grown by an eighth, so that the work grows linearly.
_RETRY_ALWAYS_CHARS = 64 * 1024

_AROUND_OBJECT = " \t\r\n,[]\ufeff\0"

_AROUND_LINE = "\r\n\ufeff\0"

# Used for objects that are not one line: msgspec cannot tell where in a text an object ends.
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class TableLayout:
    """The layout of a table: its format, its delimiter, and the normalized names of its columns."""

    format: ImportFormat
    delimiter: str
    columns: tuple[str, ...]


def recognize_table(line: str, candidates: Sequence[ImportFormat]) -> TableLayout | None:
    """Return the layout of the table whose header a line is, or a row of which it is if there is no header."""
    for delimiter in DELIMITERS:
        row = next(_split_line([line], delimiter), [])
        columns = tuple(normalize_name(name) for name in row)
        for candidate in candidates:
            if candidate.matches(dict.fromkeys(columns)):
                return TableLayout(candidate, delimiter, columns)
            if candidate.matches_row(row):
                return TableLayout(candidate, delimiter, candidate.header)
    return None


def read_nothing(_pieces: Iterable[str], _context: ImportContext) -> Iterator[Record]:
    """Yield nothing, for an empty text."""
    yield from ()


def read_table(table: TableLayout, pieces: Iterable[str], context: ImportContext) -> Iterator[Record]:
    """Yield a record for each row of a text that is a table."""
    for line, row in _split_rows(table, _join_lines(pieces)):
        if not any(row) or _is_header_row(row, table.columns):
            continue
        if len(row) == len(table.columns):
            yield _record_from_fields(table.format, line, dict(zip(table.columns, row, strict=True)), context)
        else:
            shown = table.delimiter.join(map(str, row))[:SHOWN_CHARS]
            yield RejectedPart(line, f"not a row of {len(table.columns)} columns: {shown!r}")


def read_objects(row_format: ImportFormat, pieces: Iterable[str], context: ImportContext) -> Iterator[Record]:
    """Yield a record for each JSON object of a text, and for each other line."""
    for line, item in read_items(pieces):
        if isinstance(item, str):
            yield RejectedPart(line, f"not a result: {item[:SHOWN_CHARS]!r}")
            continue
        for row in unwrap_rows(item):
            yield _record_from_object(row_format, line, row, context)


def read_rows(row_format: ImportFormat, rows: Iterable[Fields], context: ImportContext) -> Iterator[Record]:
    """Yield a record for each row of a database or Parquet file; rows are numbered from 1."""
    for number, row in enumerate(rows, 1):
        yield _record_from_fields(row_format, number, normalize_names(row), context)


def _is_header_row(row: list[object], columns: tuple[str, ...]) -> bool:
    # The first field decides for almost every row, which is faster.
    return normalize_name(str(row[0])) == columns[0] and tuple(normalize_name(str(name)) for name in row) == columns


def _record_from_object(row_format: ImportFormat, line: int, item: Fields, context: ImportContext) -> Record:
    fields = item if row_format.is_nested else normalize_names(item)
    if row_format.matches(fields):
        return _record_from_fields(row_format, line, fields, context)
    return RejectedPart(line, f"not an object of {row_format.name}")


def _record_from_fields(row_format: ImportFormat, line: int, fields: Fields, context: ImportContext) -> Record:
    try:
        return ImportedRun(line, row_format.read(fields, context))
    except UnusableRowError as error:
        return RejectedPart(line, str(error))


def _split_rows(table: TableLayout, lines: Iterable[str]) -> Iterator[tuple[int, list[object]]]:
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


def _split_line(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return


def _join_lines(pieces: Iterable[str]) -> Iterator[str]:
    """Join pieces, which may be parts of a very long line, into whole lines."""
    pending = ""
    for piece in pieces:
        pending += piece
        if pending.endswith("\n"):
            yield pending
            pending = ""
    if pending:
        yield pending


def read_items(pieces: Iterable[str]) -> Iterator[NumberedItem]:
    """Yield each object and each other line of text, with the number of the line on which it begins.

    A piece is a line with its end, or a part of a very long line.
    """
    pending, line, parse_at = "", 1, 0
    for piece in pieces:
        if not pending and (item := _read_line(piece)) is not None:
            yield from [(line, item)] if item != "" else []
            line += 1
            continue
        if pending.endswith("\n") and piece.startswith("{"):
            # An object at the start of a line: the one before it was cut off.
            yield from _split_remainder(pending, line)
            line, pending, parse_at = line + pending.count("\n"), "", 0
        pending += piece
        if len(pending) <= MAX_OBJECT_CHARS and (len(pending) < parse_at or not _may_end_object(piece)):
            continue
        complete, rest = _split_complete(pending, line)
        yield from complete
        line, pending = line + pending.count("\n", 0, len(pending) - len(rest)), rest
        if len(pending) > MAX_OBJECT_CHARS:
            yield from _text_lines(pending, line)
            line, pending = line + pending.count("\n"), ""
        parse_at = len(pending) + len(pending) // 8 if len(pending) > _RETRY_ALWAYS_CHARS else 0
    yield from _split_remainder(pending, line)


def unwrap_rows(item: dict[str, object]) -> list[dict[str, object]]:
    """Return the objects that a web API's answer has in `data`; of any other object, the object itself."""
    data = item.get("data")
    if isinstance(data, list):
        return [row for row in data if isinstance(row, dict)]
    return [data] if isinstance(data, dict) and "id" not in item else [item]


def _read_line(piece: str) -> Item | None:
    """Return the item that a line is, an empty text for no item; None if it is only a part, or several items."""
    if not piece.endswith("\n"):
        return None
    if "{" not in piece:
        return piece.strip(_AROUND_LINE) if piece.strip(_AROUND_OBJECT) else ""
    text = piece.strip(_AROUND_OBJECT)
    return decode_object(text) if text.startswith("{") and text.endswith("}") else None


def _may_end_object(piece: str) -> bool:
    return not piece.endswith("\n") or piece.rstrip(_AROUND_OBJECT).endswith("}")


def _split_complete(text: str, line: int) -> tuple[list[NumberedItem], str]:
    """Return the complete items of a text, and the rest, which begins with a brace that is not closed yet."""
    complete: list[NumberedItem] = []
    at = 0
    while (brace := text.find("{", at)) >= 0:
        complete += _text_lines(text[at:brace], line)
        line += text.count("\n", at, brace)
        try:
            item, end = _DECODER.raw_decode(text, brace)
        except (ValueError, RecursionError):
            return complete, text[brace:]
        complete.append((line, item))
        line += text.count("\n", brace, end)
        at = end
    cut = text.rfind("\n", at) + 1 or at
    return complete + _text_lines(text[at:cut], line), text[cut:]


def _split_remainder(text: str, line: int) -> Iterator[NumberedItem]:
    """Yield the items of a text that has ended; an object that is not closed becomes lines of text."""
    complete, rest = _split_complete(text, line)
    yield from complete
    yield from _text_lines(rest, line + text.count("\n", 0, len(text) - len(rest)))


def _text_lines(text: str, line: int) -> list[NumberedItem]:
    numbered = enumerate(text.split("\n"), line)
    return [(number, part.strip(_AROUND_LINE)) for number, part in numbered if part.strip(_AROUND_OBJECT)]
