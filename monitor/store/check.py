"""Checks of a database: revision, number of runs, integrity, derived data; and recomputing the derived data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor import preflight
from monitor.errors import StoreError
from monitor.store import days, read, rollups, sqlite
from monitor.store.open import engine_of, explained, open_writer, version_of
from monitor.store.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a check; `runs` is None if the schema is not the current one or the file is damaged."""

    version: str | None
    runs: int | None
    problems: tuple[str, ...]
    wrong_rollups: int = 0
    wrong_days: int = 0


@dataclass(frozen=True, slots=True)
class Glance:
    """The schema's revision (None: an empty file), and when the newest run started if the schema is the current one."""

    version: str | None
    last_start: datetime | None


def glance(url: str) -> Glance:
    """Return what can be found out about an existing database without reading all of it; changes nothing.

    Raises:
        StoreError: it cannot be opened or read, or is another program's.
    """
    with explained(url), engine_of(url, writes=False).connect() as connection, connection.begin():
        version = version_of(connection)
        newest = read.last(connection) if version == SCHEMA_VERSION else None
        return Glance(version, newest.started_at if newest else None)


def check(url: str) -> Health:
    """Read the whole database and return what is wrong with it.

    Raises:
        StoreError: there is no database, or it cannot be read at all.
    """
    file = preflight.file_of(url)
    if file and sqlite.is_new(file):
        raise StoreError(f"{file}: there is no database yet: `speedmon db upgrade` creates one")
    with explained(url), engine_of(url, writes=False).connect() as connection, connection.begin():
        version = version_of(connection)
        problems = tuple(_problems(connection))
        if version != SCHEMA_VERSION or problems:
            return Health(version, None, problems)
        return Health(version, read.count(connection), (), rollups.wrong(connection), days.wrong(connection))


def mend(url: str) -> None:
    """Recompute the roll-ups and the packed days from the runs; a damaged file cannot be repaired.

    Raises:
        StoreError: the database cannot be written.
    """
    with open_writer(url) as connection:
        rollups.rebuild(connection)
        days.rebuild(connection)


def _problems(connection: Connection) -> list[str]:
    return sqlite.problems(connection) if connection.dialect.name == "sqlite" else []
