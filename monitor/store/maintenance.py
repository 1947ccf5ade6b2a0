"""Maintenance of a database: checking and repairing it, a copy while it is in use, freeing space, and retention.

Retention removes what is older than the settings allow, in small transactions, so that no other writer waits long. Runs
are removed by whole UTC days, so that no roll-up loses some of its runs; their roll-ups and packed days are frozen and
kept until they expire themselves.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import delete, func, or_, select, tuple_, update

from monitor.config.load import mask_password
from monitor.errors import StoreError
from monitor.store import database_file, packed_days, read, rollups, sqlite, tables
from monitor.store.connection import explain_errors, get_engine, open_reader, open_writer, schema_version
from monitor.store.packed_days import DAY_S
from monitor.store.tables import SCHEMA_VERSION, findings, raw_output, runs, traces
from monitor.system import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Select, Table

    from monitor.config.settings import RetentionSettings


# Rows that are removed in one transaction.
_BATCH = 5000

# What expires at an age of its own, in the order of the settings.
_KINDS = ("raw output", "traces and findings", "runs", "roll-ups")


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a check; `runs` is None if the schema is not the current one or the file is damaged."""

    version: str | None
    runs: int | None
    problems: tuple[str, ...]
    wrong_rollups: int = 0
    wrong_days: int = 0


@dataclass(frozen=True, slots=True)
class DatabaseSummary:
    """The schema's revision (None: an empty file), and when the newest run started if the schema is the current one."""

    version: str | None
    last_start: datetime | None


@dataclass(frozen=True, slots=True)
class RetentionDue:
    """The number of rows of a kind that are from before a moment; `before` is None if the kind is kept for ever."""

    kind: str
    before: datetime | None
    rows: int


def summarise_database(url: str) -> DatabaseSummary:
    """Return what can be found out about an existing database without reading all of it; changes nothing.

    Raises:
        StoreError: it cannot be opened or read, or is another program's.
    """
    with explain_errors(url), get_engine(url, writes=False).connect() as connection, connection.begin():
        version = schema_version(connection)
        newest = read.last_run(connection) if version == SCHEMA_VERSION else None
        return DatabaseSummary(version, newest.started_at if newest else None)


def check_database(url: str) -> Health:
    """Read the whole database and return what is wrong with it.

    Raises:
        StoreError: there is no database, or it cannot be read at all.
    """
    file = database_file.sqlite_path(url)
    if file and sqlite.is_new(file):
        raise StoreError(f"{file}: there is no database yet: `speedmon db upgrade` creates one")
    with explain_errors(url), get_engine(url, writes=False).connect() as connection, connection.begin():
        version = schema_version(connection)
        problems = tuple(_find_problems(connection))
        if version != SCHEMA_VERSION or problems:
            return Health(version, None, problems)
        return Health(
            version,
            read.count_runs(connection),
            (),
            rollups.count_mismatches(connection),
            packed_days.count_mismatches(connection),
        )


def repair_database(url: str) -> None:
    """Recompute the roll-ups and the packed days from the runs; a damaged file cannot be repaired.

    Raises:
        StoreError: the database cannot be written.
    """
    with open_writer(url) as connection:
        rollups.rebuild_rollups(connection)
        packed_days.rebuild_days(connection)


def _find_problems(connection: Connection) -> list[str]:
    return sqlite.find_problems(connection) if connection.dialect.name == "sqlite" else []


def backup_database(url: str, target: Path) -> Health:
    """Copy a database as of one moment, while it is in use; return the result of checking the copy.

    Raises:
        StoreError: there is no SQLite database, the target exists or cannot be written, or the copy is not sound; an
            incomplete target is removed.
    """
    source = _sqlite_file(url, "copy it with pg_dump")
    try:
        files.make_file(target, mode=0o666, exist_ok=False)
    except FileExistsError as error:
        raise StoreError(f"{target}: already exists: name a file that does not") from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror}: name another place") from error
    try:
        _copy_file(source, target)
        return _check_copy(source, target)
    except BaseException:
        files.remove_file(target)
        raise


def vacuum_database(url: str) -> tuple[int, int]:
    """Rewrite a database without the space of removed rows; return its size in bytes before and after.

    Raises:
        StoreError: there is no SQLite database, or it cannot be written.
        StoreFullError: there is no space for the temporary second copy.
        StoreBusyError: another process writes.
    """
    file = _sqlite_file(url, "PostgreSQL does this by itself")
    if reason := database_file.write_obstacle(file):
        raise StoreError(f"{file}: {reason}: run as its owner")
    before = file.stat().st_size
    try:
        timeout = sqlite.BUSY_TIMEOUT_MS / 1000
        with closing(sqlite.open_connection(file, file, timeout=timeout, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise sqlite.to_store_error(error, file) from error
    return before, file.stat().st_size


def _sqlite_file(url: str, advice: str) -> Path:
    file = database_file.sqlite_path(url)
    if file is None:
        raise StoreError(f"{mask_password(url)}: is not a SQLite file: {advice}")
    if sqlite.is_new(file):
        raise StoreError(f"{file}: there is no database yet: `speedmon db upgrade` creates one")
    return file


def _copy_file(source: Path, target: Path) -> None:
    """Copy in one step, which blocks no writer; the copy is a single file without a WAL."""
    uri = f"{source.absolute().as_uri()}?mode=ro{'&immutable=1' if sqlite.needs_immutable(source) else ''}"
    try:
        with (
            closing(sqlite.open_connection(source, uri, uri=True)) as old,
            closing(sqlite.open_connection(target, target)) as new,
        ):
            # The copy is complete or removed, so it needs no journal, which a third user might not be able to create.
            new.execute("PRAGMA journal_mode = OFF")
            new.execute("PRAGMA locking_mode = EXCLUSIVE")
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        at_fault = source if sqlite.is_damage(error) else target
        raise sqlite.to_store_error(error, at_fault) from error


def _check_copy(source: Path, target: Path) -> Health:
    try:
        health = check_database(f"sqlite:///{quote(str(target.absolute()))}")
    except StoreError as error:
        raise StoreError(f"{source}: its copy is not sound ({error}) and was removed") from error
    if health.problems:
        raise StoreError(f"{source}: its copy is not sound ({'; '.join(health.problems)}) and was removed")
    return health


def find_expired(url: str, retention: RetentionSettings, now: datetime) -> list[RetentionDue]:
    """Return how much has expired, by kind; changes nothing.

    Raises:
        StoreError: the database cannot be read.
    """
    with open_reader(url) as connection:
        return [_count_expired(connection, kind, retention, now) for kind in _KINDS]


def prune_expired(url: str, retention: RetentionSettings, now: datetime) -> list[RetentionDue]:
    """Remove what has expired; return how much that was, by kind.

    Raises:
        StoreError: the database cannot be written; what was removed before stays removed.
    """
    expired = find_expired(url, retention, now)
    for kind in _KINDS:
        if kind == "runs":
            _freeze_before(url, _cutoffs(retention, now)["runs"])
        for table, old in _expired_rows(kind, _cutoffs(retention, now)):
            while _delete_batch(url, table, old):
                pass
    return expired


def _cutoffs(retention: RetentionSettings, now: datetime) -> dict[str, int]:
    """Return, for each kind, the moment (epoch seconds) before which it has expired; 0 if it is kept for ever."""
    today = int(now.timestamp())
    today -= today % DAY_S
    ages = (retention.raw_days, retention.details_days, retention.runs_days, retention.rollups_days)
    return {kind: today - age * DAY_S if age else 0 for kind, age in zip(_KINDS, ages, strict=True)}


def _expired_rows(kind: str, cuts: dict[str, int]) -> Iterator[tuple[Table, Select[Any]]]:
    """Yield each table of a kind with the query for the keys of its expired rows."""
    cut = cuts[kind]
    if kind == "runs":
        yield runs, select(runs.c.pk).where(runs.c.started_at < cut)
    elif kind == "roll-ups":
        for table, begin in ((tables.rollups, tables.rollups.c.start), (tables.packed_days, tables.packed_days.c.day)):
            # Those whose runs are kept would only be recomputed.
            without_runs = or_(table.c.frozen, begin < cuts["runs"])
            yield table, select(*table.primary_key).where(begin < cut, without_runs)
    else:
        for table in (raw_output,) if kind == "raw output" else (traces, findings):
            yield table, select(table.c.run_pk).join(runs).where(runs.c.started_at < cut)


def _count_expired(connection: Connection, kind: str, retention: RetentionSettings, now: datetime) -> RetentionDue:
    cuts = _cutoffs(retention, now)
    before = datetime.fromtimestamp(cuts[kind], UTC) if cuts[kind] else None
    counts = (
        connection.scalar(select(func.count()).select_from(old.subquery())) or 0
        for _table, old in _expired_rows(kind, cuts)
        if before
    )
    return RetentionDue(kind, before, sum(counts))


def _delete_batch(url: str, table: Table, old: Select[Any]) -> int:
    with open_writer(url) as connection:
        keys = tuple_(*table.primary_key)
        return connection.execute(delete(table).where(keys.in_(old.limit(_BATCH)))).rowcount


def _freeze_before(url: str, cut: int) -> None:
    """Mark the roll-ups and packed days of runs that are about to be removed: they can no longer be recomputed."""
    with open_writer(url) as connection:
        packed_days.freeze_days(connection, cut)
        table = tables.rollups
        connection.execute(update(table).where(table.c.start < cut, ~table.c.frozen).values(frozen=True))
