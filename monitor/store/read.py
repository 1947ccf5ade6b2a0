"""Reads of runs for graphs, pages and exports: by window [since, until), by key, newest first. All use an index."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from monitor.model import Failure, Kind, Path, Run, Scope, Server, Status, Trigger
from monitor.store.blobs import to_remarks
from monitor.store.buckets import Bucket, RunFilter, Summary, buckets
from monitor.store.chosen import chosen, epoch
from monitor.store.tables import isps, servers
from monitor.store.tables import probes as probe_table
from monitor.store.tables import runs as table

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

    from sqlalchemy import Connection, Select

    from monitor.columns import Columns

__all__ = ["Bucket", "RunFilter", "Summary", "buckets", "columns", "count", "last", "latest", "one", "runs", "window"]

# Rows that the driver holds at a time while a window is streamed.
_BATCH = 1000
_PLAIN = tuple(field.name for field in fields(Run) if field.name not in {"server", "failure", "remarks"})
_SERVER = tuple(servers.c[field.name] for field in fields(Server))
_FAILURE = tuple(table.c[f"failure_{field.name}"] for field in fields(Failure))
_ELSEWHERE = {"probe": probe_table.c.name, "isp": isps.c.name}
_REMARKS = len(_PLAIN)
_SERVER_FROM = _REMARKS + 1
_FAILURE_FROM = _SERVER_FROM + len(_SERVER)
_OLDEST_FIRST = (table.c.started_at, table.c.pk)
_NEWEST_FIRST = (table.c.started_at.desc(), table.c.pk.desc())


def runs(  # noqa: PLR0913  what a reader can choose
    connection: Connection,
    *,
    since: datetime,
    until: datetime,
    path: Path | None = None,
    probes: Collection[int] = (),
    newest_first: bool = False,
) -> Generator[Run]:
    """Yield the runs that started in [since, until), streamed, oldest first by default.

    `probes` are primary keys, as `monitor.store.probes.named` returns them; empty: all.
    A caller that may stop early must close the generator before the connection.
    """
    query = window(since, until, path, newest_first=newest_first)
    if probes:
        query = query.where(table.c.probe_pk.in_(probes))
    with connection.execute(query, execution_options={"yield_per": _BATCH}) as rows:
        yield from map(_run, rows)


def columns(  # noqa: PLR0913  what a reader can choose
    connection: Connection,
    *,
    since: datetime,
    until: datetime,
    names: Collection[str],
    path: Path | None = None,
    probes: Collection[int] = (),
) -> Columns:
    """Return the runs that started in [since, until) as columns with the numbers named, oldest first.

    They are read from packed days, including those of pruned runs: a million takes 0.2 s, and 20 bytes each.

    Raises:
        StoreError: a packed day is damaged.
    """
    from monitor.store import packed  # noqa: PLC0415  numpy, which `collect` must not import

    paths = [path] if path else list(Path)
    pairs = [(pk, of_path) for pk in probes or _every_probe(connection) for of_path in paths]
    return packed.columns(connection, epoch(since), epoch(until), names, pairs)


def latest(
    connection: Connection,
    *,
    limit: int,
    since: datetime | None = None,
    statuses: Collection[Status] = (),
    probes: Collection[int] = (),
) -> list[Run]:
    """Return at most `limit` runs, newest first; only those since `since`, of `statuses` and of `probes` if given."""
    query = _select().order_by(*_NEWEST_FIRST).limit(limit)
    if probes:
        query = query.where(table.c.probe_pk.in_(probes))
    if since is not None:
        query = query.where(table.c.started_at >= epoch(since))
    if statuses:
        query = query.where(table.c.status.in_(statuses))
    return [_run(row) for row in connection.execute(query)]


def last(connection: Connection, probes: Collection[int] = ()) -> Run | None:
    """Return the newest run, of these probes if given; None if there is none."""
    return next(iter(latest(connection, limit=1, probes=probes)), None)


def one(connection: Connection, pk: int) -> Run:
    """Return the run with a primary key."""
    return _run(connection.execute(_select().where(table.c.pk == pk)).one())


def rows(connection: Connection, after: int, last: int) -> Iterator[Run]:
    """Yield the runs with primary keys in (after, last], in that order."""
    return map(_run, connection.execute(_select().where(table.c.pk > after, table.c.pk <= last).order_by(table.c.pk)))


def count(connection: Connection) -> int:
    """Return the number of stored runs."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def window(
    since: datetime, until: datetime, path: Path | None = None, *, newest_first: bool = False
) -> Select[tuple[Any, ...]]:
    """Return the query for the runs of a window."""
    query = _select().where(*chosen(since, until, path))
    return query.order_by(*(_NEWEST_FIRST if newest_first else _OLDEST_FIRST))


def _select() -> Select[tuple[Any, ...]]:
    plain = (table.c[name] if name in table.c else _ELSEWHERE[name] for name in _PLAIN)
    # Outer joins make SQLite begin with the runs, whatever its statistics say about the sizes of the tables.
    joined = table.outerjoin(probe_table).outerjoin(isps).outerjoin(servers)
    return select(*plain, table.c.remarks, *_SERVER, *_FAILURE).select_from(joined)


def _every_probe(connection: Connection) -> Sequence[int]:
    return connection.scalars(select(probe_table.c.pk)).all()


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
    return Failure(Kind(kind), Scope(scope), stage, message or "", exit_code, signal)
