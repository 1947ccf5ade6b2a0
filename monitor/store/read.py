"""Reads: what every graph, page and export uses. Windows are half open, [since, until), and searched by index."""

from __future__ import annotations

import math
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from monitor.model import Failure, Kind, Path, Run, Scope, Server, Status, Trigger
from monitor.store.blobs import to_remarks
from monitor.store.buckets import Bucket, Summary, buckets
from monitor.store.tables import isps, probes, servers
from monitor.store.tables import runs as table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Connection, Select

__all__ = ["Bucket", "Summary", "buckets", "count", "last", "latest", "one", "runs", "window"]

# Rows that the driver holds at a time while a window is streamed.
_BATCH = 1000
_PLAIN = tuple(field.name for field in fields(Run) if field.name not in {"server", "failure", "remarks"})
_SERVER = tuple(servers.c[field.name] for field in fields(Server))
_FAILURE = tuple(table.c[f"failure_{field.name}"] for field in fields(Failure))
_ELSEWHERE = {"probe": probes.c.name, "isp": isps.c.name}
_REMARKS = len(_PLAIN)
_SERVER_FROM = _REMARKS + 1
_FAILURE_FROM = _SERVER_FROM + len(_SERVER)
_OLDEST_FIRST = (table.c.started_at, table.c.pk)
_NEWEST_FIRST = (table.c.started_at.desc(), table.c.pk.desc())


def runs(
    connection: Connection, *, since: datetime, until: datetime, path: Path | None = None, newest_first: bool = False
) -> Iterator[Run]:
    """Yield the runs that started in [since, until), streamed, oldest first unless told otherwise."""
    query = window(since, until, path, newest_first=newest_first)
    for row in connection.execute(query, execution_options={"yield_per": _BATCH}):
        yield _run(row)


def latest(
    connection: Connection, *, limit: int, since: datetime | None = None, statuses: Collection[Status] = ()
) -> list[Run]:
    """Return at most `limit` runs, newest first, none that started before `since`; only of `statuses` if given."""
    query = _select().order_by(*_NEWEST_FIRST).limit(limit)
    if since is not None:
        query = query.where(table.c.started_at >= _epoch(since))
    if statuses:
        query = query.where(table.c.status.in_(statuses))
    return [_run(row) for row in connection.execute(query)]


def last(connection: Connection) -> Run | None:
    """Return the newest run, None when there is none."""
    return next(iter(latest(connection, limit=1)), None)


def one(connection: Connection, pk: int) -> Run:
    """Return the run of a row."""
    return _run(connection.execute(_select().where(table.c.pk == pk)).one())


def count(connection: Connection) -> int:
    """Return how many runs there are."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def window(
    since: datetime, until: datetime, path: Path | None = None, *, newest_first: bool = False
) -> Select[tuple[Any, ...]]:
    """Return the statement that reads a window."""
    query = _select().where(table.c.started_at >= _epoch(since), table.c.started_at < _epoch(until))
    if path is not None:
        query = query.where(table.c.path == path)
    return query.order_by(*(_NEWEST_FIRST if newest_first else _OLDEST_FIRST))


def _select() -> Select[tuple[Any, ...]]:
    plain = (table.c[name] if name in table.c else _ELSEWHERE[name] for name in _PLAIN)
    # Outer joins, so that a run is what SQLite begins with, whatever it knows of the sizes of the tables.
    named = table.outerjoin(probes).outerjoin(isps).outerjoin(servers)
    return select(*plain, table.c.remarks, *_SERVER, *_FAILURE).select_from(named)


def _epoch(moment: datetime) -> int:
    """Return the first whole second that is not before a moment."""
    return math.ceil(moment.timestamp())


def _run(row: Sequence[Any]) -> Run:
    values = dict(zip(_PLAIN, row, strict=False))
    values["started_at"] = datetime.fromtimestamp(values["started_at"], UTC)
    values["finished_at"] = datetime.fromtimestamp(values["finished_at"], UTC)
    values["status"] = Status(values["status"])
    values["trigger"] = Trigger(values["trigger"])
    values["path"] = Path(values["path"])
    return Run(
        **values,
        remarks=to_remarks(row[_REMARKS]),
        server=_server(row[_SERVER_FROM:_FAILURE_FROM]),
        failure=_failure(row[_FAILURE_FROM:]),
    )


def _server(values: Sequence[Any]) -> Server | None:
    return Server(*values) if any(value is not None for value in values) else None


def _failure(values: Sequence[Any]) -> Failure | None:
    kind, scope, stage, message, exit_code, signal = values
    if kind is None:
        return None
    return Failure(_kind(kind), _scope(scope), stage, message or "", exit_code, signal)


def _kind(value: str) -> Kind:
    """Return the kind; one that a newer program added is unknown to this one."""
    try:
        return Kind(value)
    except ValueError:
        return Kind.UNKNOWN


def _scope(value: str | None) -> Scope:
    try:
        return Scope(value or "")
    except ValueError:
        return Scope.UNKNOWN
