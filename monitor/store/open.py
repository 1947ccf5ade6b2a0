"""Connections to the store: `open_reader` and `open_writer`. Both create the database, or upgrade its schema.

Alembic is imported only if there is something to upgrade. What differs by database is in `sqlite` and `postgres`.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Engine, column, create_engine, inspect, make_url, select, table
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from monitor import preflight
from monitor.config_text import masked
from monitor.errors import StoreError
from monitor.store import postgres, sqlite
from monitor.store.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

_VERSION_TABLE = "alembic_version"


@contextmanager
def open_reader(url: str) -> Iterator[Connection]:
    """Yield a read-only connection that sees the store as of one moment.

    Raises:
        StoreError: the store cannot be opened, created or read, or is newer than this program.
    """
    with explained(url):
        _bring_up_to_date(url)
        with engine_of(url, writes=False).connect() as connection, connection.begin():
            yield connection


@contextmanager
def open_writer(url: str) -> Iterator[Connection]:
    """Yield a connection in a transaction that holds the write lock; committed on success, else rolled back.

    Raises:
        StoreError: the store cannot be opened, created or written, or is newer than this program.
        StoreFullError: there is no space left.
        StoreBusyError: another process held the write lock for too long.
    """
    with explained(url):
        _bring_up_to_date(url)
        with engine_of(url, writes=True).begin() as connection:
            yield connection


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Raise errors of SQLAlchemy and of the database driver as a `StoreError` that names the database."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(error.orig or error, url) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{masked(url)}: {error}") from error


def _explain(error: BaseException, url: str) -> StoreError:
    file = preflight.file_of(url)
    return sqlite.explain(error, file) if file else postgres.explain(error, url)


def engine_of(url: str, *, writes: bool) -> Engine:
    """Return the SQLAlchemy engine for a URL; it caches compiled statements but no connection.

    Raises:
        StoreError: the URL cannot be used.
    """
    place = _parse(url)
    if not writes and _is_sqlite(place) and sqlite.needs_immutable(Path(place.database or "")):
        place = sqlite.immutable(place)
    return _engine(place, writes)


def _parse(url: str) -> URL:
    file = preflight.file_of(url)
    try:
        place = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreError(f"{masked(url)!r}: {error}: write a URL such as {preflight.EXAMPLE_URL}") from error
    # Releases of SQLAlchemy differ in how they read %20, so the path is the one that the preflight looked at.
    return place.set(database=str(file)) if file else postgres.with_driver(place)


@functools.lru_cache(maxsize=8)
def _engine(place: URL, writes: bool) -> Engine:
    try:
        if postgres.is_ours(place):
            return postgres.make_engine(place, writes=writes)
        engine = create_engine(place, poolclass=NullPool)
    except (NoSuchModuleError, ImportError) as error:
        fix = ": pip install 'speedmon[fleet]'" if place.drivername == "postgresql+psycopg" else ""
        raise StoreError(f"{place}: the driver for this database is missing: {error}{fix}") from error
    if _is_sqlite(place):
        sqlite.set_up(engine, writes=writes)
    return engine


def _is_sqlite(place: URL) -> bool:
    return place.get_backend_name() == "sqlite"


def version_of(connection: Connection) -> str | None:
    """Return the schema's revision; None for an empty database.

    Raises:
        StoreError: the tables are those of another program.
    """
    names = inspect(connection).get_table_names()
    if _VERSION_TABLE in names:
        return connection.scalar(select(column("version_num")).select_from(table(_VERSION_TABLE)))
    if names:
        raise StoreError(
            f"{connection.engine.url}: contains tables of another program: give speedmon a database of its own"
        )
    return None


def is_current(url: str) -> bool:
    """Return whether the store exists and has the current schema; changes nothing.

    Raises:
        StoreError: the store cannot be opened or read.
    """
    with explained(url):
        return _version(url) == SCHEMA_VERSION


def _bring_up_to_date(url: str) -> None:
    if not is_current(url):
        from monitor.store import upgrade  # noqa: PLC0415  alembic is slow to load and rarely needed

        upgrade.upgrade(url, most=upgrade.MOST_BY_ITSELF)


def _version(url: str) -> str | None:
    file = preflight.file_of(url)
    if file and sqlite.is_new(file):
        return None
    with engine_of(url, writes=False).connect() as connection:
        return version_of(connection)
