"""All that is special about PostgreSQL: its driver, its transactions, its monthly partitions, what its errors mean.

psycopg is imported when the first engine is made, so whoever keeps runs in SQLite only needs none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import NullPool

from monitor.config_text import masked
from monitor.errors import StoreBusyError, StoreError, StoreFullError, StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import URL, Connection, Engine

CONNECT_TIMEOUT_S = 5
# A server that does not answer on an open connection for so long is gone.
SILENCE_MS = 15_000
MONTH_S = 31 * 86_400
# Advisory locks of ours, in the first of their two numbers; the second says of what.
_LOCKS = 0x53504D
_SCHEMA = 0
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_GONE = ("08", "57P")
_BUSY = ("40", "55P03", "57014")
_FULL = ("53100",)
_LOGIN = ("28",)


def is_ours(place: URL) -> bool:
    """Tell whether a URL is of PostgreSQL."""
    return place.get_backend_name() == "postgresql"


def with_driver(place: URL) -> URL:
    """Return the URL with psycopg 3, where it names no driver."""
    return place.set(drivername="postgresql+psycopg") if place.drivername == "postgresql" else place


def make_engine(place: URL, *, writes: bool) -> Engine:
    """Return the engine; a reader sees one moment of the store and cannot write.

    Raises:
        ImportError: psycopg is missing.
    """
    arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "tcp_user_timeout": SILENCE_MS, "application_name": "speedmon"}
    reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    engine = create_engine(
        place, poolclass=NullPool, connect_args=arguments, execution_options={} if writes else reading
    )
    event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: Any, _record: object) -> None:
    """Write U+FFFD for NUL, which an engine's words may hold and a text of PostgreSQL cannot."""
    from psycopg.types.string import StrDumperUnknown  # noqa: PLC0415  see the first lines

    class WithoutNul(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(str.replace(obj, "\0", "\N{REPLACEMENT CHARACTER}"))

    connection.adapters.register_dumper(str, WithoutNul)


def alone(connection: Connection, what: int = _SCHEMA) -> None:
    """Wait until no other transaction works on the same: a probe by its row, or the schema.

    What the others committed meanwhile is seen by the statements that follow.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:ours, :what)"), {"ours": _LOCKS, "what": what})


def make_room(connection: Connection, moments: Collection[int]) -> None:
    """Make the partitions for runs that started at these moments (epoch seconds), and the ones for a month later."""
    each = sorted({moment + ahead for moment in moments for ahead in (0, MONTH_S)})
    connection.execute(text("SELECT make_runs_partition(moment) FROM unnest(:each) AS moment"), {"each": each})


def join_by_index(connection: Connection) -> None:
    """Search an index for each row of a join, until the transaction ends.

    The planner cannot know how narrow the times are that a join asks for, and would compare every row with every time.
    """
    for way in ("hashjoin", "mergejoin"):
        connection.execute(text(f"SET LOCAL enable_{way} = off"))


def explain(error: BaseException, url: str) -> StoreError:
    """Return what an error of psycopg means for the user: one line that names the database and the mend."""
    name, words = masked(url), " ".join(str(error).split())
    state: str | None = getattr(error, "sqlstate", None)
    if state is None and type(error).__name__ == "OperationalError" and "password" not in words:
        return StoreUnreachableError(f"{name}: does not answer: {words}")
    code = state or _LOGIN[0]
    if code.startswith(_GONE):
        return StoreUnreachableError(f"{name}: went away: {words}")
    if code.startswith(_BUSY):
        return StoreBusyError(f"{name}: others were in the way for too long: try again ({words})")
    if code.startswith(_FULL):
        return StoreFullError(f"{name}: no space left on its server: free some")
    if code.startswith(_LOGIN):
        return StoreError(f"{name}: does not let this user in: check the user and the password of the URL ({words})")
    return StoreError(f"{name}: {words}")
