"""Connections to the store: `open_reader` and `open_writer`. Both make the database, or bring its schema up to date.

Alembic is imported only when there is something to upgrade; whatever SQLite alone does lives in `monitor.store.sqlite`.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import URL, Engine, create_engine, inspect, make_url, select, table
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import column

from monitor.errors import StoreError
from monitor.store import sqlite
from monitor.store.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

_VERSION_TABLE = "alembic_version"


@contextmanager
def open_reader(url: str) -> Iterator[Connection]:
    """Yield a connection that sees one moment of the store; what is not a read is refused.

    Raises:
        StoreError: the store cannot be opened, made or read, or is newer than this program.
    """
    place = parse(url)
    with explained(place):
        _bring_up_to_date(place)
        with engine_of(place, writes=False).connect() as connection, connection.begin():
            yield connection


@contextmanager
def open_writer(url: str) -> Iterator[Connection]:
    """Yield a connection in a transaction that holds the write lock; committed on success, else rolled back.

    Raises:
        StoreError: the store cannot be opened, made or written, or is newer than this program.
        StoreFullError: there is no room to write.
        StoreBusyError: another process held the write lock for too long.
    """
    place = parse(url)
    with explained(place):
        _bring_up_to_date(place)
        with engine_of(place, writes=True).begin() as connection:
            yield connection


def parse(url: str) -> URL:
    """Return the URL of a database.

    Raises:
        StoreError: the text is no URL that SQLAlchemy reads.
    """
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StoreError(f"{url!r} is no database URL: write one such as {sqlite.EXAMPLE_URL}") from error


@contextmanager
def explained(place: URL) -> Iterator[None]:
    """Turn errors of SQLAlchemy and of the driver below it into a `StoreError` that names the database."""
    try:
        yield
    except (NoSuchModuleError, ImportError) as error:
        raise StoreError(f"{place}: no driver for this kind of database: {error}") from error
    except DBAPIError as error:
        raise _explain(error.orig or error, place) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{place}: {error}") from error


def _explain(error: BaseException, place: URL) -> StoreError:
    if _is_sqlite(place):
        return sqlite.explain(error, sqlite.file_of(place))
    return StoreError(f"{place}: {error}")


def engine_of(place: URL, *, writes: bool) -> Engine:
    """Return the engine for a URL; it keeps compiled statements but no connection."""
    if not writes and _is_sqlite(place) and sqlite.needs_immutable(sqlite.file_of(place)):
        place = sqlite.immutable(place)
    return _engine(place, writes)


@functools.lru_cache(maxsize=8)
def _engine(place: URL, writes: bool) -> Engine:
    engine = create_engine(place, poolclass=NullPool)
    if _is_sqlite(place):
        sqlite.set_up(engine, writes=writes)
    return engine


def _is_sqlite(place: URL) -> bool:
    return place.get_backend_name() == "sqlite"


def version_of(connection: Connection) -> str | None:
    """Return the schema's revision, None for an empty database.

    Raises:
        StoreError: there are tables but none of ours.
    """
    names = inspect(connection).get_table_names()
    if _VERSION_TABLE not in names:
        if names:
            raise StoreError(f"{connection.engine.url}: holds tables of another program: name a file of its own")
        return None
    return connection.scalar(select(column("version_num")).select_from(table(_VERSION_TABLE)))


def _bring_up_to_date(place: URL) -> None:
    if _version(place) != SCHEMA_VERSION:
        from monitor.store.upgrade import upgrade  # noqa: PLC0415  alembic costs time that a current store need not pay

        upgrade(place)


def _version(place: URL) -> str | None:
    if _is_sqlite(place):
        file = sqlite.file_of(place)
        if not file.exists():
            sqlite.prepare(file)
            return None
    with engine_of(place, writes=False).connect() as connection:
        return version_of(connection)
