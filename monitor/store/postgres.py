"""What is specific to PostgreSQL: the driver, locks, monthly partitions, and the meaning of its errors.

psycopg and SQLAlchemy's dialect are imported when they are first needed: SQLite needs neither.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import NullPool

from monitor.config.load import mask_password
from monitor.errors import StoreBusyError, StoreError, StoreFullError, StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import URL, Connection, Engine, Insert, Table


CONNECT_TIMEOUT_S = 5

# A server that does not answer on an open connection for this long is considered gone.
TCP_TIMEOUT_MS = 15_000

MONTH_S = 31 * 86_400

# Our advisory locks have this as the first of their two numbers; the second says what is locked.
_LOCK_CLASS = 0x53504D

_SCHEMA_LOCK = 0

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONNECTION_LOST = ("08", "57P")

_BUSY = ("40", "55P03", "57014")

_FULL = ("53100",)

_LOGIN_REFUSED = ("28",)


def is_postgres(place: URL) -> bool:
    """Return whether a URL is one of PostgreSQL."""
    return place.get_backend_name() == "postgresql"


def with_driver(place: URL) -> URL:
    """Return the URL with psycopg 3 as the driver if it names none."""
    return place.set(drivername="postgresql+psycopg") if place.drivername == "postgresql" else place


def make_engine(place: URL, *, writes: bool) -> Engine:
    """Return the engine; a reader sees the store as of one moment and cannot write.

    Raises:
        ImportError: psycopg is missing.
    """
    arguments = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": TCP_TIMEOUT_MS,
        "application_name": "speedmon",
    }
    reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    engine = create_engine(
        place, poolclass=NullPool, connect_args=arguments, execution_options={} if writes else reading
    )
    event.listen(engine, "connect", _configure_connection)
    return engine


def _configure_connection(connection: Any, _record: object) -> None:
    """Write U+FFFD for NUL, which engine output may contain and PostgreSQL text cannot."""
    from psycopg.types.string import StrDumperUnknown

    class WithoutNul(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(str.replace(obj, "\0", "\N{REPLACEMENT CHARACTER}"))

    connection.adapters.register_dumper(str, WithoutNul)


def lock_for_transaction(connection: Connection, what: int = _SCHEMA_LOCK) -> None:
    """Take the lock of a probe (by its primary key) or of the schema, until the transaction ends.

    Later statements see what others committed before the lock was obtained.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:ours, :what)"), {"ours": _LOCK_CLASS, "what": what})


def named_lock(name: str) -> int:
    """Return the number of a lock that is that of no probe."""
    return -1 - (zlib.crc32(name.encode()) >> 1)


def try_session_lock(connection: Connection, what: int) -> bool:
    """Take a lock until the connection is closed; return whether nobody else holds it."""
    query = text("SELECT pg_try_advisory_lock(:ours, :what)")
    return bool(connection.scalar(query, {"ours": _LOCK_CLASS + 1, "what": what}))


def make_partitions(connection: Connection, moments: Collection[int]) -> None:
    """Create the partitions for runs that started at these moments (epoch seconds), and those of the next month."""
    needed = sorted({moment + ahead for moment in moments for ahead in (0, MONTH_S)})
    connection.execute(text("SELECT make_runs_partition(moment) FROM unnest(:needed) AS moment"), {"needed": needed})


def insert_if_new(table: Table) -> Insert:
    """Return an insert statement that skips rows which already exist."""
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table).on_conflict_do_nothing()


def force_index_joins(connection: Connection) -> None:
    """Make joins use an index for each row, until the transaction ends.

    The planner does not know how narrow the ranges of time in a join are, and would compare every row with every range.
    """
    for method in ("hashjoin", "mergejoin"):
        connection.execute(text(f"SET LOCAL enable_{method} = off"))


def to_store_error(error: BaseException, url: str) -> StoreError:
    """Return what an error of psycopg means for the user: one line that names the database and says how to fix it."""
    name, words = mask_password(url), " ".join(str(error).split())
    state: str | None = getattr(error, "sqlstate", None)
    if state is None and type(error).__name__ == "OperationalError" and "password" not in words:
        return StoreUnreachableError(f"{name}: does not answer: {words}")
    code = state or _LOGIN_REFUSED[0]
    if code.startswith(_CONNECTION_LOST):
        return StoreUnreachableError(f"{name}: went away: {words}")
    if code.startswith(_BUSY):
        return StoreBusyError(f"{name}: locked by others for too long: try again ({words})")
    if code.startswith(_FULL):
        return StoreFullError(f"{name}: no space left on its server: free some")
    if code.startswith(_LOGIN_REFUSED):
        return StoreError(f"{name}: refused the login: check the user and the password in the URL ({words})")
    return StoreError(f"{name}: {words}")
