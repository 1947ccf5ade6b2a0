"""Splits a text into JSON objects and lines, and reads formats in which each object is a run. Pure, streamed.

JSON objects may stand one per line, concatenated, spread over lines, or in an array. Memory holds one object at a time.
Whatever is not an object, half an object included, becomes lines of text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from monitor.engines.parsing import decode_object
from monitor.importers.attempts import former_id
from monitor.importers.base import (
    SHOWN_CHARS,
    ImportedRun,
    ImportNote,
    RejectedPart,
    UnusableRowError,
    normalize_name,
    normalize_names,
)
from monitor.importers.rows import Row, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.importers.base import Fields, ImportContext, Record
    from monitor.importers.rows import ImportFormat


Item = dict[str, object] | str

NumberedItem = tuple[int, Item]

# A longer text is not an object: a brace was opened and never closed.
MAX_OBJECT_CHARS = 4 * 1024 * 1024

# A text longer than this is not parsed again before it has grown by an eighth, so that the work grows linearly.
_RETRY_ALWAYS_CHARS = 64 * 1024

_AROUND_OBJECT = " \t\r\n,[]\ufeff\0"

_LINE_ENDS = ("\n", "\r")

_AROUND_LINE = "\r\n\ufeff\0"

# Used for objects that are not one line: msgspec cannot tell where in a text an object ends.
_DECODER = json.JSONDecoder()


def read_nothing(_pieces: Iterable[str], _context: ImportContext) -> Iterator[Record]:
    """Yield nothing, for an empty text."""
    yield from ()


def read_objects(row_format: ImportFormat, pieces: Iterable[str], context: ImportContext) -> Iterator[Record]:
    """Yield a record for each JSON object of a text, and for each other line."""
    source = Source.of(context)
    for line, item in read_items(pieces):
        if isinstance(item, str):
            yield RejectedPart(line, f"not a result: {item[:SHOWN_CHARS]!r}")
            continue
        for row in unwrap_rows(item):
            yield from _records_of_object(row_format, line, row, source)
    yield from closing_notes(source, None)


def read_rows(row_format: ImportFormat, rows: Iterable[Fields], context: ImportContext) -> Iterator[Record]:
    """Yield a record for each row of a database or Parquet file; rows are numbered from 1."""
    source, number = Source.of(context), 0
    for number, fields in enumerate(rows, 1):
        source.titles = source.titles or {normalize_name(name): name for name in fields}
        yield from to_records(row_format, number, Row(normalize_names(fields), source))
    yield from closing_notes(source, number)


def _records_of_object(row_format: ImportFormat, line: int, item: Fields, source: Source) -> Iterator[Record]:
    titles = {} if row_format.is_nested else {normalize_name(name): name for name in item}
    if row_format.matches(item if row_format.is_nested else titles):
        source.titles = titles
        yield from to_records(row_format, line, Row(item if row_format.is_nested else normalize_names(item), source))
    else:
        shown = str(item)[:SHOWN_CHARS]
        yield RejectedPart(line, f"not an object of {row_format.name}: {shown!r}")


def to_records(row_format: ImportFormat, line: int, row: Row) -> Iterator[Record]:
    """Yield the run of a row or the reason why it gives none, and notes on it."""
    try:
        attempt = row_format.read(row)
    except UnusableRowError as error:
        yield RejectedPart(line, str(error))
    else:
        yield ImportedRun(line, attempt, former_id(attempt.run))
    if row.source.clock.notes:
        yield from take_notes(row.source, line)


def take_notes(source: Source, line: int) -> Iterator[ImportNote]:
    """Yield what the clock of a file noted up to a line."""
    notes, source.clock.notes = source.clock.notes, []
    yield from (ImportNote(line, note) for note in notes)


def closing_notes(source: Source, last_line: int | None) -> Iterator[ImportNote]:
    """Yield what can be noted only at the end of a file."""
    source.clock.close()
    yield from take_notes(source, last_line or 0)


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
        return [row if isinstance(row, dict) else {"data": row} for row in data]
    return [data] if isinstance(data, dict) and "id" not in item else [item]


def _read_line(piece: str) -> Item | None:
    """Return the item that a line is, an empty text for no item; None if it is only a part, or several items."""
    if not piece.endswith(_LINE_ENDS):
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
