"""What is specific to SQLite: the file, pragmas, the begin of transactions, and the meaning of its errors.

SQLite makes files of its own beside a database. Where that lies in another user's folder, root opens it as that user:
see `monitor.system.ownership`. Every connection of the program is opened by `open_connection`.
"""

from __future__ import annotations

import functools
import logging
import mmap
import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from monitor.errors import StoreBusyError, StoreError, StoreFullError
from monitor.store.database_file import odd_file, write_obstacle
from monitor.system import files
from monitor.system.ownership import acting_as, owner_of_file

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from monitor.system.ownership import Owner


BUSY_TIMEOUT_MS = 5000

# With less free space than this an I/O error means a full disk: SQLite does not say so if it cannot grow its WAL index.
_NEARLY_FULL_BYTES = 64 * 1024

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_REFUSED = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})


# SQLite needs shared memory for the index of a WAL; where a file cannot be mapped, as on CIFS, 9p or an old NFS, it
# reports one of these (https://sqlite.org/rescode.html).
_NO_SHARED_MEMORY = frozenset(
    {
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMLOCK,
    }
)

_log = logging.getLogger(__name__)


class OwnedConnection(sqlite3.Connection):
    """A connection of root's to a file in another user's folder: whatever may touch a file is done as that user."""

    owner: Owner | None = None

    def cursor(self, factory: Any = None) -> Any:  # noqa: ARG002  sqlite3's signature
        """Return a cursor that does likewise."""
        return super().cursor(OwnedCursor)

    def commit(self) -> None:
        """Commit as the owner."""
        with acting_as(self.owner):
            super().commit()

    def rollback(self) -> None:
        """Roll back as the owner."""
        with acting_as(self.owner):
            super().rollback()

    def close(self) -> None:
        """Close as the owner: the last connection removes the WAL."""
        with acting_as(self.owner):
            super().close()

    def backup(self, target: sqlite3.Connection, **options: Any) -> None:
        """Copy into a database of ours, which the owner need not be able to reach, page by page through memory."""
        with acting_as(self.owner):
            super().backup(target, **options)


class OwnedCursor(sqlite3.Cursor):
    """A cursor of such a connection."""

    connection: OwnedConnection

    def execute(self, *arguments: Any) -> Any:
        """Execute as the owner."""
        with acting_as(self.connection.owner):
            return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Execute as the owner."""
        with acting_as(self.connection.owner):
            return super().executemany(*arguments)

    def fetchone(self) -> Any:
        """Fetch as the owner."""
        with acting_as(self.connection.owner):
            return super().fetchone()

    def fetchmany(self, *arguments: Any) -> Any:
        """Fetch as the owner."""
        with acting_as(self.connection.owner):
            return super().fetchmany(*arguments)

    def fetchall(self) -> Any:
        """Fetch as the owner."""
        with acting_as(self.connection.owner):
            return super().fetchall()

    def __next__(self) -> Any:
        with acting_as(self.connection.owner):
            return super().__next__()


def open_connection(file: Path, *arguments: Any, **options: Any) -> sqlite3.Connection:
    """Open a file as `sqlite3.connect` does with these arguments, by root as the owner of the folder.

    Args:
        file: the database.
        arguments: those of `sqlite3.connect`, the name or URI of the file first.
        options: the same.

    Raises:
        StoreError: SQLite would follow a link or wait for a FIFO.
        sqlite3.Error: it cannot be opened.
    """
    try:
        owner = owner_of_file(file)
        with acting_as(owner):
            problem = odd_file(file)
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror or error}: check the path, or set SPEEDMON_DATABASE_URL") from error
    if problem:
        raise StoreError(f"{file}: {problem}: move it away, or set SPEEDMON_DATABASE_URL")
    try:
        return _connect(file, owner, arguments, options)
    except sqlite3.Error as error:
        if not _lacks_shared_memory(error, file):
            raise
        _leave_wal(file, owner, error)
    return connect_as(owner, *arguments, **options)


def _connect(
    file: Path, owner: Owner | None, arguments: tuple[Any, ...], options: dict[str, Any]
) -> sqlite3.Connection:
    connection = connect_as(owner, *arguments, **options)
    try:
        connection.execute("PRAGMA journal_mode").fetchone()  # reads the file, and opens the index of its WAL
    except sqlite3.Error as error:
        if _lacks_shared_memory(error, file):
            connection.close()
            raise
        # Whoever uses the connection meets the error again, and can explain it.
    return connection


def _lacks_shared_memory(error: sqlite3.Error, file: Path) -> bool:
    """Whether an error means that the file system has no shared memory, and not that it is full."""
    return _extended_code(error) in _NO_SHARED_MEMORY and _free_bytes(file) >= _NEARLY_FULL_BYTES


def _leave_wal(file: Path, owner: Owner | None, cause: sqlite3.Error) -> None:
    """Switch a file to a journal that needs no shared memory; an exclusive lock replaces the memory meanwhile.

    Raises:
        StoreError: the file cannot be written here, or is in use.
    """
    try:
        with closing(connect_as(owner, file, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error as error:
        raise StoreError(
            f"{file}: its file system cannot share memory between processes, which the journal mode of the database"
            f" needs ({cause}), and the mode cannot be changed ({error}): run `speedmon db upgrade` as its owner while"
            " nothing else uses it, or move it to a local disk"
        ) from error
    _say_no_wal(file)


def connect_as(owner: Owner | None, *arguments: Any, **options: Any) -> sqlite3.Connection:
    """Open a file as `sqlite3.connect` does with these arguments, as its owner; None: as this process is.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    if owner is None:
        plain: sqlite3.Connection = sqlite3.connect(*arguments, **options)
        return plain
    with acting_as(owner):
        connection: OwnedConnection = sqlite3.connect(*arguments, **options | {"factory": OwnedConnection})
    connection.owner = owner
    return connection


def _say_no_wal(file: Path) -> None:
    _log.warning(
        "%s: its file system cannot share memory between processes, so the database uses the journal mode DELETE: "
        "readers and writers wait for each other",
        file,
    )


@functools.cache
def _can_share_memory(folder: Path) -> bool:
    """Whether files in a folder can be mapped as shared; True where that cannot be tried."""
    with suppress(OSError), files.scratch_file(folder) as descriptor:
        os.ftruncate(descriptor, mmap.PAGESIZE)
        try:
            mmap.mmap(descriptor, mmap.PAGESIZE).close()
        except OSError:
            return False
    return True


def is_new(file: Path) -> bool:
    """Return whether the file is missing or empty.

    Raises:
        StoreError: it cannot be accessed, or is no regular file.
    """
    try:
        with acting_as(owner_of_file(file)):
            status = file.stat()
    except FileNotFoundError:
        return True
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}: check the path, or set SPEEDMON_DATABASE_URL") from error
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise StoreError(f"{file}: is not a regular file: move it away, or set SPEEDMON_DATABASE_URL")
    return status.st_size == 0


def needs_immutable(file: Path) -> bool:
    """Return whether the file must be opened as immutable: the WAL files beside it cannot be created.

    Raises:
        StoreError: a folder on the way cannot be searched.
    """
    wal = file.with_name(f"{file.name}-wal")
    try:
        with acting_as(owner_of_file(file)):
            return not os.access(file.parent, os.W_OK, effective_ids=True) and not wal.exists()
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror or error}: check the path, or set SPEEDMON_DATABASE_URL") from error


def to_immutable_url(place: URL) -> URL:
    """Return the URL that reads a file without locks and without WAL files (https://sqlite.org/uri.html)."""
    uri = Path(place.database or "").absolute().as_uri()
    return place.set(database=uri).update_query_dict({"mode": "ro", "immutable": "1", "uri": "true"})


def configure_engine(engine: Engine, file: Path, *, writes: bool) -> None:
    """Set the pragmas, and begin transactions in SQLite when SQLAlchemy begins them.

    Python's driver would begin one only before the first write, which loses updates between processes.
    """
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    def connect(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> sqlite3.Connection:
        return open_connection(file, *arguments, **options)

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        try:
            _configure_connection(connection, file, writes=writes)
        except sqlite3.Error:
            connection.close()
            raise

    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)


def _configure_connection(connection: sqlite3.Connection, file: Path, *, writes: bool) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    if writes:
        _use_wal(connection, file)
    else:
        connection.execute("PRAGMA query_only = ON")


def _use_wal(connection: sqlite3.Connection, file: Path) -> None:
    """Switch the file to WAL, permanently, if its file system can have one.

    If another process prevents it, the old mode stays, which is as safe.
    """
    try:
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            return
        if _can_share_memory(file.absolute().parent):
            connection.execute("PRAGMA journal_mode = WAL")
        elif file.stat().st_size == 0:
            _say_no_wal(file)
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


def _extended_code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))


def _free_bytes(file: Path) -> int:
    try:
        status = os.statvfs(file.parent)
    except OSError:
        return _NEARLY_FULL_BYTES
    return status.f_bavail * status.f_frsize
