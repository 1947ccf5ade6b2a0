"""Opens what is to be imported, whichever it is: a file, a pipe, gzip, text of any encoding, SQLite. Sets the limits.

A pipe is copied into a temporary file, because a file may have to be read twice. A database is opened for reading only,
and only its real tables are read: a view, or a virtual table, is a program.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import sqlite3
import stat
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from monitor.errors import UsageError
from monitor.store.sqlite import connect_as
from monitor.system.ownership import owner_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


STDIN = "-"

SQLITE_MAGIC, PARQUET_MAGIC = b"SQLite format 3\0", b"PAR1"

_GZIP_MAGIC = b"\x1f\x8b"

# How other archives begin, and what unpacks them to standard output.
_ARCHIVES = {
    b"\xfd7zXZ\0": "xz -dc",
    b"BZh": "bzip2 -dc",
    b"\x28\xb5\x2f\xfd": "zstd -dc",
    b"PK\x03\x04": "unzip -p",
    b"7z\xbc\xaf\x27\x1c": "7z x -so",
}

_MAGIC_BYTES = len(SQLITE_MAGIC)

# Offset of the byte that says whether there is a write-ahead log (https://sqlite.org/fileformat.html).
_WRITE_VERSION_OFFSET = 18

# A log shrinks to a tenth or a thirtieth.
_MAX_EXPANSION, _ALWAYS_ALLOWED_BYTES = 250, 64 * 1024 * 1024

MAX_PIPE_BYTES = 4 * 1024**3

_COPY_BYTES = 1024 * 1024

_MAX_CELL_BYTES = 16 * 1024 * 1024

# SQLite calls back after so many instructions; so many calls without a row end the query.
_STEP_INSTRUCTIONS, _MAX_STEPS = 100_000, 2_000

# Programs on Windows write their own encoding where others write UTF-8.
_WINDOWS_ENCODING, _FALLBACK = "cp1252", "speedmon.windows"


def _decode_as_windows(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode(_WINDOWS_ENCODING, "replace"), error.end


codecs.register_error(_FALLBACK, _decode_as_windows)


class OpenedFile:
    """A file that can be read from its beginning as often as is needed.

    Attributes:
        path: the file itself, or the temporary copy of a pipe.
        magic: the first bytes of what is in it, unpacked.
    """

    def __init__(self, raw: BinaryIO, path: Path, name: str) -> None:
        self._raw = raw
        self._name = name
        self.path = path
        self.length = os.fstat(raw.fileno()).st_size
        self.is_gzipped = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        if self.is_gzipped:
            self._check_expansion()
        self.magic = self.open_binary().read(_MAGIC_BYTES)
        if unpack := next((command for magic, command in _ARCHIVES.items() if self.magic.startswith(magic)), None):
            raise UsageError(f"{name}: is packed; unpack it: `{unpack} {name} | speedmon import -`")

    def _check_expansion(self) -> None:
        """Unpack the file once, which is quick: a bomb is to end before its millions of lines are read.

        Raises:
            UsageError: it unpacks to more than a log does.
            EOFError, OSError, zlib.error: it is damaged.
        """
        unpacked = self.open_binary()
        while unpacked.read(_COPY_BYTES):
            pass

    def open_binary(self) -> io.BufferedReader:
        """Return the content from its beginning, unpacked."""
        self._raw.seek(0)
        if not self.is_gzipped:
            return io.BufferedReader(_Undisturbed(self._raw))
        return io.BufferedReader(_Unpacked(self._raw, self._name))

    def open_text(self) -> io.TextIOWrapper:
        """Return the content from its beginning as text, with its line ends as they are."""
        plain = self.open_binary()
        encoding = _detect_encoding(plain.peek(4)[:4])
        errors = _FALLBACK if encoding.startswith("utf-8") else "replace"
        return io.TextIOWrapper(plain, encoding=encoding, errors=errors, newline="")

    def position(self) -> int:
        """Return how far the file has been read, in bytes of the file."""
        return self._raw.tell()


class _Undisturbed(io.RawIOBase):
    """The bytes of a file that stays open when its reader is closed."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Unpacked(_Undisturbed):
    """The unpacked bytes of a gzip file, up to a limit."""

    def __init__(self, raw: BinaryIO, name: str) -> None:
        super().__init__(raw)
        self._gzip = gzip.GzipFile(fileobj=raw)
        self._name = name
        self._read = 0

    def readinto(self, buffer: Any) -> int:
        data = self._gzip.read1(len(buffer))
        self._read += len(data)
        if self._read > _ALWAYS_ALLOWED_BYTES and self._read > _MAX_EXPANSION * self._raw.tell():
            raise UsageError(
                f"{self._name}: unpacks to more than {_MAX_EXPANSION} times its size, which no log does; if it is one,"
                " unpack it first"
            )
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def open_file(file: Path) -> Iterator[OpenedFile]:
    """Open a file, a pipe, or standard input if it is called `-`.

    Raises:
        UsageError: it is a device, or too long for a pipe.
        OSError: it cannot be opened.
    """
    name = "standard input" if str(file) == STDIN else str(file)
    with ExitStack() as stack:
        raw = sys.stdin.buffer if str(file) == STDIN else stack.enter_context(file.open("rb"))
        kind = os.fstat(raw.fileno()).st_mode
        if stat.S_ISREG(kind) and str(file) != STDIN:
            opened = OpenedFile(raw, file, name)
        elif stat.S_ISREG(kind) or stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or str(file) == STDIN:
            opened = _copy(stack, raw, name)
        else:
            raise UsageError(f"{name}: is neither a file nor a pipe")
        if opened.is_gzipped and opened.magic.startswith((SQLITE_MAGIC, PARQUET_MAGIC)):
            opened = _copy(stack, opened.open_binary(), name)
        yield opened


def _copy(stack: ExitStack, source: BinaryIO, name: str) -> OpenedFile:
    """Copy what can be read once into a temporary file."""
    copy = tempfile.NamedTemporaryFile(prefix="speedmon-import-")  # noqa: SIM115  closed by the stack
    stack.enter_context(copy)
    while piece := source.read(_COPY_BYTES):
        copy.write(piece)
        if copy.tell() > MAX_PIPE_BYTES:
            raise UsageError(f"{name}: more than {MAX_PIPE_BYTES:,} bytes through a pipe; save it to a file first")
    copy.flush()
    copy.seek(0)
    return OpenedFile(cast("BinaryIO", copy), Path(copy.name), name)


def _detect_encoding(start: bytes) -> str:
    """Return the encoding: UTF-8, or UTF-16, which PowerShell writes when it redirects and spreadsheets save."""
    if start in {codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE}:
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(start) == 4 and start[1::2] == b"\0\0":  # noqa: PLR2004  two characters of UTF-16
        return "utf-16-le"
    if len(start) == 4 and start[::2] == b"\0\0":  # noqa: PLR2004  the same
        return "utf-16-be"
    return "utf-8-sig"


def open_sqlite(file: Path) -> sqlite3.Connection:
    """Open a database for reading only, with limits.

    A database with a write-ahead log that no program has open is opened as immutable: SQLite would otherwise create
    files beside it, and such files of root's would lock out the program that owns the database. Where another program
    has it open, root reads it as the owner of its folder, so that whatever SQLite creates is that user's.
    """
    with file.open("rb") as header:
        has_log = header.read(_WRITE_VERSION_OFFSET + 1)[_WRITE_VERSION_OFFSET:] == b"\2"
    immutable = "&immutable=1" if has_log and not file.with_name(f"{file.name}-wal").exists() else ""
    owner = None if immutable else owner_of_file(file)
    connection = connect_as(owner, f"{file.absolute().as_uri()}?mode=ro{immutable}", uri=True)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_CELL_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 100)
    connection.setlimit(sqlite3.SQLITE_LIMIT_VDBE_OP, 25_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
    return connection


def table_columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of a real table that have a readable name, without those that are computed; else none."""
    real = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name = ?", (table,)
    ).fetchone()
    listed = connection.execute(f"PRAGMA table_info({_quote(table)})") if real else ()
    return [name for _, name, *_ in listed if "\ufffd" not in name]


def count_rows(connection: sqlite3.Connection, table: str) -> int:
    """Return the number of rows of a table."""
    (length,) = connection.execute(f"SELECT count(*) FROM {_quote(table)}").fetchone()  # noqa: S608  quoted
    return int(length)


def read_table_rows(connection: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, in their order.

    Raises:
        sqlite3.Error: the database is damaged, or a query takes too long for a row.
    """
    steps = 0

    def is_too_slow() -> bool:
        nonlocal steps
        steps += 1
        return steps > _MAX_STEPS

    connection.set_progress_handler(is_too_slow, _STEP_INSTRUCTIONS)
    names = ", ".join(map(_quote, columns))
    for row in connection.execute(f"SELECT {names} FROM {_quote(table)} NOT INDEXED"):  # noqa: S608  quoted
        steps = 0
        yield dict(zip(columns, row, strict=True))


def _quote(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}"'
