"""Opens a file, recognizes which program wrote it, and stores its runs. The only importer module that reads files.

To add a format, list it here: in `OBJECT_FORMATS` if it matches objects as a program prints them, in `TABLE_FORMATS` if
it matches rows. The first object, header or row of a known format decides.
"""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import sqlite3
import zlib
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from monitor.errors import StoreRejectedError, UsageError
from monitor.importers import librespeed, myspeed, ookla, readers, speedmon, speedtest_cli, speedtest_tracker
from monitor.importers.base import ImportedRun, RejectedPart, normalize_names
from monitor.output import export
from monitor.store.connection import open_reader, open_writer
from monitor.store.read import stored_ids
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from monitor.importers.base import Fields, ImportContext, ImportFormat, Record
    from monitor.importers.readers import Item

    Reader = Callable[[Iterable[str], ImportContext], Iterator[Record]]


_SQLITE_MAGIC, _PARQUET_MAGIC, _GZIP_MAGIC = b"SQLite format 3\0", b"PAR1", b"\x1f\x8b"

_MAGIC_BYTES = len(_SQLITE_MAGIC)

# Offset of the byte that says whether there is a write-ahead log (https://sqlite.org/fileformat.html).
_WRITE_VERSION_OFFSET = 18

# Longer lines are read in pieces, so that an array of years on one line needs no more memory than other files.
_PIECE_CHARS = 64 * 1024

# How much of a text is read to recognize its format.
_HEAD_CHARS = 1024 * 1024

_MAX_EMPTY_PIECES, _EMPTY_TEXTS = 10, ("", "[]")

_SQLITE_TABLES = ("results", "speedtests")

# Runs are stored in batches, so that a test that ends during an import waits for one batch at most.
BATCH_RECORDS = 4000

# So many reasons are kept; further rejected lines are only counted.
MAX_REASONS = 20

OBJECT_FORMATS = (speedmon.OBJECTS, speedtest_cli.OBJECTS, librespeed.OBJECTS)

TABLE_FORMATS = (
    speedmon.ROWS,
    speedtest_tracker.ROWS,
    speedtest_tracker.OLD_ROWS,
    myspeed.ROWS,
    speedtest_cli.ROWS,
    librespeed.ROWS,
)

ANY_FORMAT = "auto"

FORMAT_NAMES = tuple(
    dict.fromkeys([speedmon.NAME, ookla.NAME, *(known.name for known in (*OBJECT_FORMATS, *TABLE_FORMATS))])
)


@dataclass(frozen=True, slots=True)
class ImportSource:
    """An open file: the program that wrote it, its records, its length and the position reached, in bytes or rows."""

    program: str
    records: Iterator[Record]
    length: int
    position: Callable[[], int]


@contextmanager
def open_source(file: Path, context: ImportContext, wanted: str = ANY_FORMAT) -> Iterator[ImportSource]:
    """Open a file and yield its records, streamed.

    Raises:
        UsageError: the file cannot be read, or its format is not known.
    """
    try:
        with file.open("rb") as raw, ExitStack() as stack:
            magic = raw.peek(_MAGIC_BYTES)[:_MAGIC_BYTES]
            if magic == _SQLITE_MAGIC:
                yield _source_from_sqlite(stack.enter_context(closing(_open_sqlite(file))), file, context, wanted)
            elif magic.startswith(_PARQUET_MAGIC):
                yield _source_from_parquet(file, context)
            else:
                text = stack.enter_context(_open_text(raw))
                yield _source_from_text(text, raw, file, context, wanted)
    except (OSError, EOFError, zlib.error, sqlite3.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(f"{file}: cannot be read: {reason}") from error


def unknown_format(file: Path, wanted: str) -> UsageError:
    """Return the error for a file of an unknown format."""
    known = ", ".join(FORMAT_NAMES) if wanted == ANY_FORMAT else wanted
    return UsageError(f"{file}: nothing in it has a format that can be imported (known: {known})")


def _open_text(raw: io.BufferedReader) -> io.TextIOWrapper:
    is_gzipped = raw.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
    plain = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_gzipped else raw
    return io.TextIOWrapper(
        plain, encoding=_detect_encoding(plain.peek(len(_PARQUET_MAGIC))), errors="replace", newline=""
    )


def _source_from_text(
    text: io.TextIOWrapper, raw: io.BufferedReader, file: Path, context: ImportContext, wanted: str
) -> ImportSource:
    pieces = iter(lambda: text.readline(_PIECE_CHARS), "")
    head = _read_head(pieces)
    # An empty export is a valid file.
    recognized = (speedmon.NAME, readers.read_nothing) if _is_empty_export(head) else find_reader(head, wanted)
    if recognized is None:
        raise unknown_format(file, wanted)
    program, reader = recognized
    return ImportSource(program, reader(itertools.chain(head, pieces), context), file.stat().st_size, raw.tell)


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


def _detect_encoding(start: bytes) -> str:
    """Return the encoding: UTF-8, or UTF-16 with a byte order mark, which PowerShell writes when it redirects."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _source_from_parquet(file: Path, context: ImportContext) -> ImportSource:
    rows = _CountedRows(export.read_parquet(file))
    return ImportSource(
        speedmon.NAME, readers.read_rows(speedmon.ROWS, rows, context), export.count_parquet_rows(file), rows.position
    )


def _open_sqlite(file: Path) -> sqlite3.Connection:
    """Open a database for reading only.

    A database with a write-ahead log that no program has open is opened as immutable: SQLite would otherwise create
    files beside it, and such files of root's would lock out the program that owns the database.
    """
    with file.open("rb") as header:
        has_log = header.read(_WRITE_VERSION_OFFSET + 1)[_WRITE_VERSION_OFFSET:] == b"\2"
    immutable = "&immutable=1" if has_log and not file.with_name(f"{file.name}-wal").exists() else ""
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro{immutable}", uri=True)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def _source_from_sqlite(
    connection: sqlite3.Connection, file: Path, context: ImportContext, wanted: str
) -> ImportSource:
    for name in _SQLITE_TABLES:
        columns = [row["name"] for row in connection.execute(f"PRAGMA table_info({name})")]
        row_format = find_table_format(normalize_names(dict.fromkeys(columns)), wanted)
        if row_format is not None:
            (length,) = connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608  a name from a constant
            selected = connection.execute(f"SELECT * FROM {name} ORDER BY id")  # noqa: S608  a name from a constant
            rows = _CountedRows(map(dict, selected))
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
    for _line, item in readers.read_items(head):
        recognized = _reader_of_object(item, wanted) if isinstance(item, dict) else _reader_of_line(item, wanted)
        if recognized is not None:
            return recognized
    return None


def find_table_format(fields: Fields, wanted: str = ANY_FORMAT) -> ImportFormat | None:
    """Return the format of rows with these normalized names; None if there is none."""
    return next((table for table in _wanted_formats(TABLE_FORMATS, wanted) if table.matches(fields)), None)


def _wanted_formats(candidates: tuple[ImportFormat, ...], wanted: str) -> list[ImportFormat]:
    return [candidate for candidate in candidates if wanted in {ANY_FORMAT, candidate.name}]


def _reader_of_object(item: Item, wanted: str) -> tuple[str, Reader] | None:
    first = next(iter(readers.unwrap_rows(item)), {}) if isinstance(item, dict) else {}
    matching = next(
        (candidate for candidate in _wanted_formats(OBJECT_FORMATS, wanted) if candidate.matches(first)), None
    )
    matching = matching or find_table_format(normalize_names(first), wanted)
    if matching is not None:
        return matching.name, partial(readers.read_objects, matching)
    return _reader_of_ookla_log(item, wanted)


def _reader_of_ookla_log(item: Item, wanted: str) -> tuple[str, Reader] | None:
    is_log = wanted in {ANY_FORMAT, ookla.NAME} and ookla.is_ookla_item(item)
    return (ookla.NAME, _read_ookla_log) if is_log else None


def _read_ookla_log(pieces: Iterable[str], context: ImportContext) -> Iterator[Record]:
    return ookla.read_log(readers.read_items(pieces), context)


def _reader_of_line(line: str, wanted: str) -> tuple[str, Reader] | None:
    table = readers.recognize_table(line, _wanted_formats(TABLE_FORMATS, wanted))
    if table is not None:
        return table.format.name, partial(readers.read_table, table)
    return _reader_of_ookla_log(line, wanted)


@dataclass(slots=True)
class ImportCounts:
    """Counts for one file: runs stored, runs that the store already had, and rejected lines, the first with reasons."""

    stored: int = 0
    existing: int = 0
    rejected: int = 0
    reasons: list[RejectedPart] = field(default_factory=list)

    def reject(self, part: RejectedPart) -> None:
        """Count a line that gave no run."""
        self.rejected += 1
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(part)

    def add(self, stored: int, existing: int) -> None:
        """Count runs."""
        self.stored += stored
        self.existing += existing


def split_batches(records: Iterator[Record], counts: ImportCounts) -> Iterator[list[ImportedRun]]:
    """Yield the runs of a file, `BATCH_RECORDS` records at a time; lines without a run are counted."""
    while batch := list(itertools.islice(records, BATCH_RECORDS)):
        for record in batch:
            if isinstance(record, RejectedPart):
                counts.reject(record)
        yield [record for record in batch if isinstance(record, ImportedRun)]


def store_batch(url: str, batch: list[ImportedRun], counts: ImportCounts) -> None:
    """Store a batch. A run that the store rejects is counted, and the others are stored all the same.

    Raises:
        StoreError: the store cannot be written.
    """
    if not batch:
        return
    try:
        with open_writer(url) as connection:
            stored, existing = add_attempts(connection, (imported.attempt for imported in batch))
    except StoreRejectedError as error:
        if len(batch) == 1:
            counts.reject(RejectedPart(batch[0].line, str(error)))
            return
        half = len(batch) // 2
        store_batch(url, batch[:half], counts)
        store_batch(url, batch[half:], counts)
    else:
        counts.add(stored, existing)


class DryRun:
    """Stands in for `store_batch`: counts what it would do, and stores nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Hashes of the ids in earlier batches: smaller than the ids.
        self._earlier: set[int] = set()

    def store(self, batch: list[ImportedRun], counts: ImportCounts) -> None:
        """Count a batch; a run that was in an earlier batch counts as existing."""
        ids = [imported.attempt.run.id for imported in batch]
        with open_reader(self._url) as connection:
            existing = stored_ids(connection, ids)
        for run_id in ids:
            exists = run_id in existing or hash(run_id) in self._earlier
            self._earlier.add(hash(run_id))
            counts.add(int(not exists), int(exists))
