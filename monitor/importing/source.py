"""Opens files to import: text, gzipped text, SQLite and Parquet. The only importer module that reads files."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import sqlite3
import zlib
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor import parquet
from monitor.errors import UsageError
from monitor.importing import formats, own, tables
from monitor.importing.cells import with_plain_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from monitor.importing.model import Context, Record

_SQLITE, _PARQUET, _GZIP = b"SQLite format 3\0", b"PAR1", b"\x1f\x8b"
_LONGEST_MAGIC = len(_SQLITE)
# Offset of the byte that says whether there is a write-ahead log (https://sqlite.org/fileformat.html).
_WRITE_VERSION = 18
# Longer lines are read in pieces, so that an array of years on one line needs no more memory than other files.
_PIECE = 64 * 1024
# How much of a text is read to recognize its format.
_HEAD = 1024 * 1024
_FEW, _NOTHING = 10, ("", "[]")
_TABLES = ("results", "speedtests")


@dataclass(frozen=True, slots=True)
class Source:
    """An open file: the program that wrote it, its records, its length and the position reached, in bytes or rows."""

    program: str
    records: Iterator[Record]
    length: int
    position: Callable[[], int]


@contextmanager
def opened(file: Path, context: Context, wanted: str = formats.AUTO) -> Iterator[Source]:
    """Open a file and yield its records, streamed.

    Raises:
        UsageError: the file cannot be read, or its format is not known.
    """
    try:
        with file.open("rb") as raw, ExitStack() as stack:
            magic = raw.peek(_LONGEST_MAGIC)[:_LONGEST_MAGIC]
            if magic == _SQLITE:
                yield _of_sqlite(stack.enter_context(closing(_connect(file))), file, context, wanted)
            elif magic.startswith(_PARQUET):
                yield _of_parquet(file, context)
            else:
                text = stack.enter_context(_text(raw))
                yield _of_text(text, raw, file, context, wanted)
    except (OSError, EOFError, zlib.error, sqlite3.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(f"{file}: cannot be read: {reason}") from error


def unknown(file: Path, wanted: str) -> UsageError:
    """Return the error for a file of an unknown format."""
    known = ", ".join(formats.NAMES) if wanted == formats.AUTO else wanted
    return UsageError(f"{file}: nothing in it has a format that can be imported (known: {known})")


def _text(raw: io.BufferedReader) -> io.TextIOWrapper:
    is_packed = raw.peek(len(_GZIP)).startswith(_GZIP)
    plain = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_packed else raw
    return io.TextIOWrapper(plain, encoding=_encoding(plain.peek(len(_PARQUET))), errors="replace", newline="")


def _of_text(text: io.TextIOWrapper, raw: io.BufferedReader, file: Path, context: Context, wanted: str) -> Source:
    pieces = iter(lambda: text.readline(_PIECE), "")
    head = _head(pieces)
    # An empty export is a valid file.
    recognized = (own.NAME, tables.nothing) if _is_nothing(head) else formats.reader(head, wanted)
    if recognized is None:
        raise unknown(file, wanted)
    program, reader = recognized
    return Source(program, reader(itertools.chain(head, pieces), context), file.stat().st_size, raw.tell)


def _head(pieces: Iterator[str]) -> list[str]:
    """Take the first pieces of a text, enough to recognize its format."""
    head: list[str] = []
    length = 0
    while length < _HEAD and (piece := next(pieces, "")):
        head.append(piece)
        length += len(piece)
    return head


def _is_nothing(head: list[str]) -> bool:
    return len(head) < _FEW and "".join("".join(head).split()) in _NOTHING


def _encoding(start: bytes) -> str:
    """Return the encoding: UTF-8, or UTF-16 with a byte order mark, which PowerShell writes when it redirects."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _of_parquet(file: Path, context: Context) -> Source:
    rows = _Counted(parquet.rows(file))
    return Source(own.NAME, tables.from_rows(own.ROWS, rows, context), parquet.count(file), rows.position)


def _connect(file: Path) -> sqlite3.Connection:
    """Open a database for reading only.

    A database with a write-ahead log that no program has open is opened as immutable: SQLite would otherwise create
    files beside it, and such files of root's would lock out the program that owns the database.
    """
    with file.open("rb") as header:
        has_log = header.read(_WRITE_VERSION + 1)[_WRITE_VERSION:] == b"\2"
    immutable = "&immutable=1" if has_log and not file.with_name(f"{file.name}-wal").exists() else ""
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro{immutable}", uri=True)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def _of_sqlite(connection: sqlite3.Connection, file: Path, context: Context, wanted: str) -> Source:
    for name in _TABLES:
        columns = [row["name"] for row in connection.execute(f"PRAGMA table_info({name})")]
        row_format = formats.of_rows(with_plain_names(dict.fromkeys(columns)), wanted)
        if row_format is not None:
            (length,) = connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608  a name of ours
            rows = _Counted(dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY id"))  # noqa: S608  the same
            return Source(row_format.name, tables.from_rows(row_format, rows, context), length, rows.position)
    raise unknown(file, wanted)


class _Counted:
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
