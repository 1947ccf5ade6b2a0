"""Maintenance of a SQLite file: a verified copy while it is in use, and freeing the space of removed rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

from monitor import ownership, preflight
from monitor.config_text import masked
from monitor.errors import StoreError
from monitor.store import check, sqlite

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.store.check import Health


def backup(url: str, target: Path) -> Health:
    """Copy a database as of one moment, while it is in use; return the result of checking the copy.

    Raises:
        StoreError: there is no SQLite database, the target exists or cannot be written, or the copy is not sound; an
            incomplete target is removed.
    """
    source = _file(url, "copy it with pg_dump")
    try:
        with target.open("x") as opened:
            ownership.hand_over(opened.fileno(), target)
    except FileExistsError as error:
        raise StoreError(f"{target}: already exists: name a file that does not") from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror}: name another place") from error
    try:
        _copy(source, target)
        return _sound(source, target)
    except BaseException:
        target.unlink()
        raise


def vacuum(url: str) -> tuple[int, int]:
    """Rewrite a database without the space of removed rows; return its size in bytes before and after.

    Raises:
        StoreError: there is no SQLite database, or it cannot be written.
        StoreFullError: there is no space for the temporary second copy.
        StoreBusyError: another process writes.
    """
    file = _file(url, "PostgreSQL does this by itself")
    if reason := preflight.obstacle(file):
        raise StoreError(f"{file}: {reason}: run as its owner")
    before = file.stat().st_size
    try:
        with closing(sqlite3.connect(file, timeout=sqlite.BUSY_TIMEOUT_MS / 1000, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise sqlite.explain(error, file) from error
    return before, file.stat().st_size


def _file(url: str, advice: str) -> Path:
    file = preflight.file_of(url)
    if file is None:
        raise StoreError(f"{masked(url)}: is not a SQLite file: {advice}")
    if sqlite.is_new(file):
        raise StoreError(f"{file}: there is no database yet: `speedmon db upgrade` creates one")
    return file


def _copy(source: Path, target: Path) -> None:
    """Copy in one step, which blocks no writer; the copy is a single file without a WAL."""
    uri = f"{source.absolute().as_uri()}?mode=ro{'&immutable=1' if sqlite.needs_immutable(source) else ''}"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        at_fault = source if sqlite.is_damage(error) else target
        raise sqlite.explain(error, at_fault) from error


def _sound(source: Path, target: Path) -> Health:
    try:
        health = check.check(f"sqlite:///{quote(str(target.absolute()))}")
    except StoreError as error:
        raise StoreError(f"{source}: its copy is not sound ({error}) and was removed") from error
    if health.problems:
        raise StoreError(f"{source}: its copy is not sound ({'; '.join(health.problems)}) and was removed")
    return health
