"""Runs by window, by id and newest first.

Reads of runs for graphs, pages and exports: by window [since, until), by key, newest first. All use an index.

Reads one run with everything that is stored about it, for `speedmon show`.

The condition for the runs of a read: those that started in [since, until), over a path, of some probes.

Finds which of many runs are already stored.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from monitor.errors import UsageError
from monitor.model import (
    Attempt,
    Failure,
    FailureKind,
    NetworkPath,
    Plan,
    RawOutput,
    Run,
    Scope,
    Server,
    Status,
    Trigger,
)
from monitor.store import tables
from monitor.store.tables import decode_remarks, findings, isps, raw_output, runs, servers, traces
from monitor.store.tables import probes as probe_table
from monitor.store.tables import runs as table
from netns.probe.findings import from_json

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from monitor.analysis.columns import Columns
    from monitor.model import Trace
    from netns.probe.findings import Findings


# Rows that the driver holds at a time while a window is streamed.
_BATCH = 1000

_PLAIN_COLUMNS = tuple(field.name for field in fields(Run) if field.name not in {"server", "failure", "remarks"})

_SERVER_COLUMNS = tuple(servers.c[field.name] for field in fields(Server))

_FAILURE_COLUMNS = tuple(table.c[f"failure_{field.name}"] for field in fields(Failure))

_JOINED_COLUMNS = {"probe": probe_table.c.name, "isp": isps.c.name}

_REMARKS = len(_PLAIN_COLUMNS)

_SERVER_FROM = _REMARKS + 1

_FAILURE_FROM = _SERVER_FROM + len(_SERVER_COLUMNS)

_OLDEST_FIRST = (table.c.started_at, table.c.pk)

_NEWEST_FIRST = (table.c.started_at.desc(), table.c.pk.desc())

# A second match shows that the beginning of an id is ambiguous.
_MAX_MATCHES = 2

# Databases limit the number of values in a statement.
_MAX_IDS = 500


def read_runs(
    connection: Connection,
    *,
    since: datetime,
    until: datetime,
    path: NetworkPath | None = None,
    probes: Collection[int] = (),
    newest_first: bool = False,
) -> Generator[Run]:
    """Yield the runs that started in [since, until), streamed, oldest first by default.

    `probes` are primary keys, as `monitor.store.lookups.probe_pks` returns them; empty: all.
    A caller that may stop early must close the generator before the connection.
    """
    query = window_query(since, until, path, newest_first=newest_first)
    if probes:
        query = query.where(table.c.probe_pk.in_(probes))
    with connection.execute(query, execution_options={"yield_per": _BATCH}) as rows:
        yield from map(_to_run, rows)


def read_columns(
    connection: Connection,
    *,
    since: datetime,
    until: datetime,
    names: Collection[str],
    path: NetworkPath | None = None,
    probes: Collection[int] = (),
) -> Columns:
    """Return the runs that started in [since, until) as columns with the numbers named, oldest first.

    They are read from packed days, including those of pruned runs: a million takes 0.2 s, and 20 bytes each.

    Raises:
        StoreError: a packed day is damaged.
    """
    from monitor.store import columnar  # noqa: PLC0415  numpy, which `collect` must not import

    paths = [path] if path else list(NetworkPath)
    pairs = [(pk, of_path) for pk in probes or _all_probe_pks(connection) for of_path in paths]
    return columnar.read_columns(connection, to_epoch(since), to_epoch(until), names, pairs)


def latest_runs(
    connection: Connection,
    *,
    limit: int,
    since: datetime | None = None,
    statuses: Collection[Status] = (),
    probes: Collection[int] = (),
) -> list[Run]:
    """Return at most `limit` runs, newest first; only those since `since`, of `statuses` and of `probes` if given."""
    query = _runs_query().order_by(*_NEWEST_FIRST).limit(limit)
    if probes:
        query = query.where(table.c.probe_pk.in_(probes))
    if since is not None:
        query = query.where(table.c.started_at >= to_epoch(since))
    if statuses:
        query = query.where(table.c.status.in_(statuses))
    return [_to_run(row) for row in connection.execute(query)]


def last_run(connection: Connection, probes: Collection[int] = ()) -> Run | None:
    """Return the newest run, of these probes if given; None if there is none."""
    return next(iter(latest_runs(connection, limit=1, probes=probes)), None)


def run_by_pk(connection: Connection, pk: int) -> Run:
    """Return the run with a primary key."""
    return _to_run(connection.execute(_runs_query().where(table.c.pk == pk)).one())


def runs_by_pk(connection: Connection, after: int, last: int) -> Iterator[Run]:
    """Yield the runs with primary keys in (after, last], in that order."""
    return map(
        _to_run, connection.execute(_runs_query().where(table.c.pk > after, table.c.pk <= last).order_by(table.c.pk))
    )


def count_runs(connection: Connection) -> int:
    """Return the number of stored runs."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def window_query(
    since: datetime, until: datetime, path: NetworkPath | None = None, *, newest_first: bool = False
) -> Select[tuple[Any, ...]]:
    """Return the query for the runs of a window."""
    query = _runs_query().where(*window_conditions(since, until, path))
    return query.order_by(*(_NEWEST_FIRST if newest_first else _OLDEST_FIRST))


def _runs_query() -> Select[tuple[Any, ...]]:
    plain = (table.c[name] if name in table.c else _JOINED_COLUMNS[name] for name in _PLAIN_COLUMNS)
    # Outer joins make SQLite begin with the runs, whatever its statistics say about the sizes of the tables.
    joined = table.outerjoin(probe_table).outerjoin(isps).outerjoin(servers)
    return select(*plain, table.c.remarks, *_SERVER_COLUMNS, *_FAILURE_COLUMNS).select_from(joined)


def _all_probe_pks(connection: Connection) -> Sequence[int]:
    return connection.scalars(select(probe_table.c.pk)).all()


def _to_run(row: Sequence[Any]) -> Run:
    values = dict(zip(_PLAIN_COLUMNS, row, strict=False))
    values["started_at"] = datetime.fromtimestamp(values["started_at"], UTC)
    values["finished_at"] = datetime.fromtimestamp(values["finished_at"], UTC)
    values["status"] = Status(values["status"])
    values["trigger"] = Trigger(values["trigger"])
    values["path"] = NetworkPath(values["path"])
    return Run(
        **values,
        remarks=decode_remarks(row[_REMARKS]),
        server=_to_server(row[_SERVER_FROM:_FAILURE_FROM]),
        failure=_to_failure(row[_FAILURE_FROM:]),
    )


def _to_server(values: Sequence[Any]) -> Server | None:
    return Server(*values) if any(value is not None for value in values) else None


def _to_failure(values: Sequence[Any]) -> Failure | None:
    kind, scope, stage, message, exit_code, signal = values
    if kind is None:
        return None
    return Failure(FailureKind(kind), Scope(scope), stage, message or "", exit_code, signal)


def find_attempt(connection: Connection, beginning: str) -> Attempt:
    """Return the run whose id begins with a text.

    Raises:
        UsageError: no id begins with it, or more than one.
    """
    pk = _find_pk(connection, beginning)
    run = run_by_pk(connection, pk)
    plan = connection.execute(select(*(runs.c[f"plan_{name}"] for name in Plan.__slots__)).where(runs.c.pk == pk)).one()
    return Attempt(
        run, Plan(*plan), _read_output(connection, pk), _read_findings(connection, pk), _read_trace(connection, pk)
    )


def read_findings(connection: Connection, run_id: str) -> Findings | None:
    """Return the findings of the diagnosis of a failed run; None if there was none."""
    pk = connection.scalar(select(runs.c.pk).where(runs.c.id == run_id))
    return None if pk is None else _read_findings(connection, pk)


def _find_pk(connection: Connection, beginning: str) -> int:
    query = select(runs.c.pk).where(runs.c.id.startswith(beginning, autoescape=True)).limit(_MAX_MATCHES)
    pks: Sequence[int] = connection.scalars(query).all()
    if not pks:
        raise UsageError(f"no run's id begins with {beginning!r}: `speedmon history --json` lists them")
    if len(pks) > 1:
        raise UsageError(f"more than one run's id begins with {beginning!r}: give more characters")
    return pks[0]


def _read_output(connection: Connection, pk: int) -> RawOutput:
    output = connection.scalar(select(raw_output.c.output).where(raw_output.c.run_pk == pk))
    return tables.decode_output(output) if output else RawOutput()


def _read_findings(connection: Connection, pk: int) -> Findings | None:
    document = connection.scalar(select(findings.c.document).where(findings.c.run_pk == pk))
    return from_json(document.encode()) if document else None


def _read_trace(connection: Connection, pk: int) -> Trace | None:
    query = select(traces.c.interval_ms, traces.c.samples).where(traces.c.run_pk == pk)
    row = connection.execute(query).one_or_none()
    return tables.decode_trace(*row) if row else None


def window_conditions(
    since: datetime, until: datetime, path: NetworkPath | None = None, probes: Collection[int] = ()
) -> list[ColumnElement[bool]]:
    """Return the conditions for runs that started in [since, until), over a path (None: any), of probes (empty: all).

    `probes` are primary keys, as `monitor.store.lookups.probe_pks` returns them.
    """
    conditions = [runs.c.started_at >= to_epoch(since), runs.c.started_at < to_epoch(until)]
    if path is not None:
        conditions.append(runs.c.path == path)
    if probes:
        conditions.append(runs.c.probe_pk.in_(probes))
    return conditions


def to_epoch(moment: datetime) -> int:
    """Return a moment as epoch seconds, rounded up."""
    return math.ceil(moment.timestamp())


def stored_ids(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Return those of the ids that are stored."""
    stored: set[str] = set()
    remaining = iter(ids)
    while batch := list(itertools.islice(remaining, _MAX_IDS)):
        stored.update(connection.scalars(select(runs.c.id).where(runs.c.id.in_(batch))))
    return stored
