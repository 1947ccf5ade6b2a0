"""Open a file to import: text, gzipped text, a SQLite database or Parquet. The only reader of files here."""

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
# Where the header says whether there is a write-ahead log (https://sqlite.org/fileformat.html).
_WRITE_VERSION = 18
# A line longer than this arrives in pieces, so that an array of years on one line needs no more memory than any other.
_PIECE = 64 * 1024
# What is looked at to tell who wrote a text.
_HEAD = 1024 * 1024
_FEW, _NOTHING = 10, ("", "[]")
_TABLES = ("results", "speedtests")


@dataclass(frozen=True, slots=True)
class Source:
    """An open file: who wrote it, its records, how long it is and how far the records have come, in the same unit."""

    program: str
    records: Iterator[Record]
    length: int
    position: Callable[[], int]


@contextmanager
def opened(file: Path, context: Context, wanted: str = formats.AUTO) -> Iterator[Source]:
    """Yield a file as records, streamed.

    Raises:
        UsageError: it cannot be read, or nobody knows its format.
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
    """Return the error for a file of no known format."""
    known = ", ".join(formats.NAMES) if wanted == formats.AUTO else wanted
    return UsageError(f"{file}: nothing in it is of a format that can be imported (known: {known})")


def _text(raw: io.BufferedReader) -> io.TextIOWrapper:
    is_packed = raw.peek(len(_GZIP)).startswith(_GZIP)
    plain = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_packed else raw
    return io.TextIOWrapper(plain, encoding=_encoding(plain.peek(len(_PARQUET))), errors="replace", newline="")


def _of_text(text: io.TextIOWrapper, raw: io.BufferedReader, file: Path, context: Context, wanted: str) -> Source:
    pieces = iter(lambda: text.readline(_PIECE), "")
    head = _head(pieces)
    # An export of nothing is a file as well.
    found = (own.NAME, tables.nothing) if _is_nothing(head) else formats.reader(head, wanted)
    if found is None:
        raise unknown(file, wanted)
    program, reader = found
    return Source(program, reader(itertools.chain(head, pieces), context), file.stat().st_size, raw.tell)


def _head(pieces: Iterator[str]) -> list[str]:
    """Take the first pieces of a text, enough to tell whose it is."""
    head: list[str] = []
    length = 0
    while length < _HEAD and (piece := next(pieces, "")):
        head.append(piece)
        length += len(piece)
    return head


def _is_nothing(head: list[str]) -> bool:
    return len(head) < _FEW and "".join("".join(head).split()) in _NOTHING


def _encoding(start: bytes) -> str:
    """Return UTF-8 unless the text says otherwise: PowerShell redirects to UTF-16."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _of_parquet(file: Path, context: Context) -> Source:
    rows = _Counted(parquet.rows(file))
    return Source(own.NAME, tables.from_rows(own.ROWS, rows, context), parquet.count(file), rows.position)


def _connect(file: Path) -> sqlite3.Connection:
    """Open a database to read it only.

    One with a write-ahead log that nobody has open is read as it lies: SQLite would leave files beside it, and files of
    root's would keep its own program out.
    """
    with file.open("rb") as header:
        has_log = header.read(_WRITE_VERSION + 1)[_WRITE_VERSION:] == b"\2"
    as_it_lies = "&immutable=1" if has_log and not file.with_name(f"{file.name}-wal").exists() else ""
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro{as_it_lies}", uri=True)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def _of_sqlite(connection: sqlite3.Connection, file: Path, context: Context, wanted: str) -> Source:
    for name in _TABLES:
        columns = [row["name"] for row in connection.execute(f"PRAGMA table_info({name})")]
        form = formats.of_rows(with_plain_names(dict.fromkeys(columns)), wanted)
        if form is not None:
            (length,) = connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608  a name of ours
            rows = _Counted(dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY id"))  # noqa: S608  the same
            return Source(form.name, tables.from_rows(form, rows, context), length, rows.position)
    raise unknown(file, wanted)


class _Counted:
    """Rows that know how many of them were taken."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self._taken = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            self._taken += 1
            yield row

    def position(self) -> int:
        return self._taken
