"""What is specific to SQLite: the file, pragmas, the begin of transactions, and the meaning of its errors."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import event

from monitor.errors import StoreBusyError, StoreError, StoreFullError
from monitor.store.database_file import write_obstacle

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine


BUSY_TIMEOUT_MS = 5000

# With less free space than this an I/O error means a full disk: SQLite does not say so if it cannot grow its WAL index.
_NEARLY_FULL_BYTES = 64 * 1024

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_REFUSED = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})


def is_new(file: Path) -> bool:
    """Return whether the file is missing or empty.

    Raises:
        StoreError: it cannot be accessed.
    """
    try:
        return file.stat().st_size == 0
    except FileNotFoundError:
        return True
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}: check the path, or set SPEEDMON_DATABASE_URL") from error


def needs_immutable(file: Path) -> bool:
    """Return whether the file must be opened as immutable: the WAL files beside it cannot be created."""
    wal = file.with_name(f"{file.name}-wal")
    return not os.access(file.parent, os.W_OK, effective_ids=True) and not wal.exists()


def to_immutable_url(place: URL) -> URL:
    """Return the URL that reads a file without locks and without WAL files (https://sqlite.org/uri.html)."""
    uri = Path(place.database or "").absolute().as_uri()
    return place.set(database=uri).update_query_dict({"mode": "ro", "immutable": "1", "uri": "true"})


def configure_engine(engine: Engine, *, writes: bool) -> None:
    """Set the pragmas, and begin transactions in SQLite when SQLAlchemy begins them.

    Python's driver would begin one only before the first write, which loses updates between processes.
    """
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        try:
            _configure_connection(connection, writes=writes)
        except sqlite3.Error:
            connection.close()
            raise

    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)


def _configure_connection(connection: sqlite3.Connection, *, writes: bool) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    if writes:
        _use_wal(connection)
    else:
        connection.execute("PRAGMA query_only = ON")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL, permanently; if another process prevents it, the old mode stays, which is as safe."""
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if _result_code(error) not in _BUSY:
            raise


def find_problems(connection: Connection) -> list[str]:
    """Return the problems that SQLite finds in the file; reads all of it."""
    damage = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check") if row[0] != "ok"]
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return damage + [f"{row[0]} row {row[1]} belongs to no row of {row[2]}" for row in orphans]


def is_damage(error: BaseException) -> bool:
    """Return whether an error of the driver means that the file is damaged."""
    return _result_code(error) in _DAMAGED


def to_store_error(error: BaseException, file: Path) -> StoreError:
    """Return an error of the driver as one line that names the file and how to fix it."""
    code = _result_code(error)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _free_bytes(file) < _NEARLY_FULL_BYTES):
        return StoreFullError(f"{file}: no space left on its device: free some")
    if code in _BUSY:
        return StoreBusyError(f"{file}: another process held its lock for {BUSY_TIMEOUT_MS // 1000} s: try again")
    if code in _DAMAGED:
        return StoreError(f"{file}: is damaged or not a SQLite database ({error}): move it away or restore a backup")
    if code in _REFUSED:
        return StoreError(f"{file}: {write_obstacle(file) or error}: run as its owner, or set SPEEDMON_DATABASE_URL")
    return StoreError(f"{file}: {error}")


def _result_code(error: BaseException) -> int:
    """Return the primary result code (https://sqlite.org/rescode.html); 0 if the error is one of the driver itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _free_bytes(file: Path) -> int:
    try:
        status = os.statvfs(file.parent)
    except OSError:
        return _NEARLY_FULL_BYTES
    return status.f_bavail * status.f_frsize
