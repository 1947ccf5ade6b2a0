"""All that is special about SQLite: the file behind a URL, pragmas, transactions, and what its errors mean.

A file that may not be written can still be read: without the right to make the files that WAL needs beside it, the
connection is opened as immutable.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import event

from monitor.errors import StoreBusyError, StoreError, StoreFullError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

EXAMPLE_URL = "sqlite:////var/lib/speedmon/speedmon.db"
BUSY_TIMEOUT_MS = 5000
# Below this an input/output error is taken for a full disk: SQLite cannot tell them apart when it grows its WAL index.
_ALMOST_NOTHING = 64 * 1024
_FULL = frozenset({sqlite3.SQLITE_FULL})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REFUSED = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})


def file_of(url: URL) -> Path:
    """Return the file behind a SQLite URL.

    Raises:
        StoreError: the URL names a database in memory, which would keep nothing, or a `file:` URI.
    """
    name = url.database or ":memory:"
    if name == ":memory:" or name.startswith("file:"):
        raise StoreError(f"{url}: name a file, such as {EXAMPLE_URL}")
    return Path(name)


def prepare(file: Path) -> None:
    """Make the directory of a database that is yet to be created.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{file.parent}: cannot be made: {error.strerror}") from error


def needs_immutable(file: Path) -> bool:
    """Tell whether the file can be read only as immutable: no right to make the files beside it, and none there."""
    return file.is_file() and not os.access(file.parent, os.W_OK) and not _beside(file, "-wal").exists()


def immutable(url: URL) -> URL:
    """Return the URL that reads the file without any lock or file beside it."""
    quoted = str(file_of(url).absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return url.set(database=f"file:{quoted}").update_query_dict({"mode": "ro", "immutable": "1", "uri": "true"})


def set_up(engine: Engine, *, writes: bool) -> None:
    """Give an engine the pragmas, and transactions that SQLite really begins when they begin.

    Python's driver begins a transaction only before a write, which loses updates between processes.
    """
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL" if writes else "PRAGMA query_only = ON")
        if writes:
            _use_wal(connection)

    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL, which lasts; while another process holds a lock it stays as it is, which is as safe."""
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if _code(error) not in _BUSY:
            raise


def explain(error: BaseException, file: Path) -> StoreError:
    """Return what an error of the driver means for the user, as one line that names the file and the mend."""
    code = _code(error)
    if code in _FULL or (code == sqlite3.SQLITE_IOERR and _free_bytes(file) < _ALMOST_NOTHING):
        return StoreFullError(f"{file}: no space left on its device: free some")
    if code in _BUSY:
        return StoreBusyError(f"{file}: locked by another process for {BUSY_TIMEOUT_MS // 1000} s: try again")
    if code in _DAMAGED:
        return StoreError(f"{file}: is damaged or no SQLite database ({error}): move it away or restore a backup")
    if code in _REFUSED:
        return StoreError(f"{file}: cannot be used ({error}): check its owner, or set SPEEDMON_DATABASE_URL")
    return StoreError(f"{file}: {error}")


def _code(error: BaseException) -> int:
    """Return the primary result code (https://sqlite.org/rescode.html); 0 when the driver made the error itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _free_bytes(file: Path) -> int:
    try:
        room = os.statvfs(file.parent)
    except OSError:
        return _ALMOST_NOTHING
    return room.f_bavail * room.f_frsize


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
