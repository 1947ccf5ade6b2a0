"""Connections to the database, and its schema: `open_reader` and `open_writer` create it, or upgrade a small one.

What differs by database is in `sqlite` and `postgres`. Alembic is imported only if there is something to upgrade. Its
scripts run in one transaction that holds the write lock, so two processes that start at once do not collide: the second
one finds the schema upgraded.
"""

from __future__ import annotations

import functools
import time
from contextlib import contextmanager
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

# Connection and Engine are exported: other packages take these types from here, not from SQLAlchemy.
from sqlalchemy import URL, column, create_engine, insert, inspect, make_url, select, table
from sqlalchemy import Connection as Connection
from sqlalchemy import Engine as Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from monitor.config.load import mask_password
from monitor.errors import StoreError
from monitor.store import database_file, postgres, sqlite
from monitor.store.tables import SCHEMA_VERSION, schema_history
from monitor.system.installation import install_command, version_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from alembic.script import Script
    from sqlalchemy import Select


_VERSION_TABLE = "alembic_version"

# The number of runs up to which any command upgrades a database in passing: some seconds on a small board.
MAX_RUNS_TO_UPGRADE_UNASKED = 10_000


@contextmanager
def open_reader(url: str) -> Iterator[Connection]:
    """Yield a read-only connection that sees the store as of one moment.

    Raises:
        StoreError: the store cannot be opened, created or read, or is newer than this program.
    """
    with explain_errors(url):
        _ensure_current_schema(url)
        with get_engine(url, writes=False).connect() as connection, connection.begin():
            yield connection


@contextmanager
def open_writer(url: str) -> Iterator[Connection]:
    """Yield a connection in a transaction that holds the write lock; committed on success, else rolled back.

    Raises:
        StoreError: the store cannot be opened, created or written, or is newer than this program.
        StoreFullError: there is no space left.
        StoreBusyError: another process held the write lock for too long.
    """
    with explain_errors(url):
        _ensure_current_schema(url)
        with get_engine(url, writes=True).begin() as connection:
            yield connection


@contextmanager
def explain_errors(url: str) -> Iterator[None]:
    """Raise errors of SQLAlchemy and of the database driver as a `StoreError` that names the database."""
    try:
        yield
    except DBAPIError as error:
        raise _to_store_error(error.orig or error, url) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{mask_password(url)}: {error}") from error


def _to_store_error(error: BaseException, url: str) -> StoreError:
    file = database_file.sqlite_path(url)
    return sqlite.to_store_error(error, file) if file else postgres.to_store_error(error, url)


def get_engine(url: str, *, writes: bool) -> Engine:
    """Return the SQLAlchemy engine for a URL; it caches compiled statements but no connection.

    Raises:
        StoreError: the URL cannot be used.
    """
    place = _parse_url(url)
    file = Path(place.database or "") if _is_sqlite(place) else None
    if file and not writes and sqlite.needs_immutable(file):
        place = sqlite.to_immutable_url(place)
    return _cached_engine(place, file, writes)


def _parse_url(url: str) -> URL:
    file = database_file.sqlite_path(url)
    try:
        place = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreError(f"{mask_password(url)!r}: {error}: write a URL such as {database_file.EXAMPLE_URL}") from error
    # Releases of SQLAlchemy differ in how they read %20, so the path is the one that the preflight looked at.
    return place.set(database=str(file)) if file else postgres.with_driver(place)


@functools.lru_cache(maxsize=8)
def _cached_engine(place: URL, file: Path | None, writes: bool) -> Engine:
    try:
        if postgres.is_postgres(place):
            return postgres.make_engine(place, writes=writes)
        engine = create_engine(place, poolclass=NullPool)
    except (NoSuchModuleError, ImportError) as error:
        fix = f": {install_command('psycopg[binary]')}" if place.drivername == "postgresql+psycopg" else ""
        raise StoreError(f"{place}: the driver for this database is missing: {error}{fix}") from error
    if file:
        sqlite.configure_engine(engine, file, writes=writes)
    return engine


def _is_sqlite(place: URL) -> bool:
    return place.get_backend_name() == "sqlite"


def schema_version(connection: Connection) -> str | None:
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


def is_schema_current(url: str) -> bool:
    """Return whether the store exists and has the current schema; changes nothing.

    Raises:
        StoreError: the store cannot be opened or read.
    """
    with explain_errors(url):
        return _stored_version(url) == SCHEMA_VERSION


def _ensure_current_schema(url: str) -> None:
    if not is_schema_current(url):
        upgrade_schema(url, most=MAX_RUNS_TO_UPGRADE_UNASKED)


def _stored_version(url: str) -> str | None:
    file = database_file.sqlite_path(url)
    if file and sqlite.is_new(file):
        return None
    with get_engine(url, writes=False).connect() as connection:
        return schema_version(connection)


def upgrade_schema(url: str, *, most: int | None = None) -> str | None:
    """Create the schema, or upgrade it to SCHEMA_VERSION; return the revision before, None if there was none.

    Raises:
        StoreError: the database cannot be written, is another program's, is newer than this program, or holds more
            than `most` runs.
    """
    import_module("alembic.command")  # takes a while, so before the write lock is taken
    if file := database_file.sqlite_path(url):
        database_file.make_file(file)
    with explain_errors(url), get_engine(url, writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            postgres.lock_for_transaction(connection)
        version = schema_version(connection)
        if version != SCHEMA_VERSION:
            _refuse_newer_schema(connection, version, url)
            if version is not None and most is not None:
                _refuse_large_database(connection, url, most)
            run_migrations(connection)
            _record_upgrade(connection)
    return version


def _record_upgrade(connection: Connection) -> None:
    entry = {"revision": SCHEMA_VERSION, "program": version_line(), "upgraded_at": int(time.time())}
    connection.execute(insert(schema_history).values(entry))


def run_migrations(connection: Connection, revision: str = "head") -> None:
    """Run the migration scripts that this database lacks, up to a revision, in the transaction of `connection`."""
    from alembic import command

    config = _alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def migration_scripts() -> list[Script]:
    """Return the migration scripts, newest first."""
    from alembic.script import ScriptDirectory

    return [*ScriptDirectory.from_config(_alembic_config()).walk_revisions()]


def _refuse_newer_schema(connection: Connection, version: str | None, url: str) -> None:
    if version is None or version <= SCHEMA_VERSION:
        return
    writer, release = None, "that release"
    if schema_history.name in inspect(connection).get_table_names():
        writer = connection.scalar(select(schema_history.c.program).order_by(schema_history.c.revision.desc()).limit(1))
    if writer:
        release = "that version"
    raise StoreError(
        f"{mask_password(url)}: was written by speedmon {writer or 'of a later release'} with schema {version}, and"
        f" this is {version_line()}, which knows {SCHEMA_VERSION}: install {release}"
    )


def _refuse_large_database(connection: Connection, url: str, most: int) -> None:
    beyond: Select[tuple[int]] = select(column("pk")).select_from(table("runs")).limit(1).offset(most)
    if connection.scalar(beyond) is not None:
        raise StoreError(
            f"{mask_password(url)}: holds more than {most:,} runs in an older schema: run `speedmon db upgrade`,"
            " which may take minutes"
        )


def _alembic_config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    return config
