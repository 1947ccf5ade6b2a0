"""Runs by window, by id and newest first; and one run with everything that is stored about it. All use an index.

Columns of runs, for graphs and reports, are read by `columnar`; figures by `statistics` and `buckets`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, select

from monitor.errors import UsageError
from monitor.model import (
    Attempt,
    Doubt,
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
from monitor.store.connection import is_schema_current, open_reader
from monitor.store.tables import decode_remarks, findings, isps, raw_output, runs, servers, traces
from netns.probe.findings import from_json

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select

    from monitor.model import Trace
    from netns.probe.findings import Findings

# Rows that the driver holds at a time while a window is streamed.
_BATCH = 1000

# The columns of `_runs_query`, in this order: plain ones, remarks, server, failure.
_PLAIN_COLUMNS = tuple(field.name for field in fields(Run) if field.name not in {"server", "failure", "remarks"})

_JOINED_COLUMNS = {"probe": tables.probes.c.name, "isp": isps.c.name}

_SERVER_COLUMNS = tuple(servers.c[field.name] for field in fields(Server))

_FAILURE_COLUMNS = tuple(runs.c[f"failure_{field.name}"] for field in fields(Failure))

_REMARKS = len(_PLAIN_COLUMNS)

_SERVER_FROM = _REMARKS + 1

_FAILURE_FROM = _SERVER_FROM + len(_SERVER_COLUMNS)

_OLDEST_FIRST = (runs.c.started_at, runs.c.pk)

_NEWEST_FIRST = (runs.c.started_at.desc(), runs.c.pk.desc())

# A second match shows that the beginning of an id is ambiguous.
_MAX_MATCHES = 2

# Databases limit the number of values in a statement.
_MAX_IDS = 500


@dataclass(frozen=True, slots=True)
class RunFilter:
    """The runs that started in [since, until), over a path (None: any), of some probes (empty: all).

    `probes` are primary keys, as `monitor.store.lookups.probe_pks` returns them.
    """

    since: datetime
    until: datetime
    path: NetworkPath | None = None
    probes: Collection[int] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for a query of `runs`."""
        conditions = [runs.c.started_at >= to_epoch(self.since), runs.c.started_at < to_epoch(self.until)]
        if self.path is not None:
            conditions.append(runs.c.path == self.path)
        if self.probes:
            conditions.append(runs.c.probe_pk.in_(self.probes))
        return conditions


def to_epoch(moment: datetime) -> int:
    """Return a moment as epoch seconds, rounded up."""
    return math.ceil(moment.timestamp())


def read_runs(connection: Connection, selection: RunFilter, *, newest_first: bool = False) -> Generator[Run]:
    """Yield the selected runs, streamed, oldest first by default.

    A caller that may stop early must close the generator before the connection.
    """
    query = window_query(selection, newest_first=newest_first)
    with connection.execute(query, execution_options={"yield_per": _BATCH}) as rows:
        yield from map(_to_run, rows)


def window_query(selection: RunFilter, *, newest_first: bool = False) -> Select[tuple[Any, ...]]:
    """Return the query for the selected runs."""
    query = _runs_query().where(*selection.conditions())
    return query.order_by(*(_NEWEST_FIRST if newest_first else _OLDEST_FIRST))


@dataclass(frozen=True, slots=True)
class RunSearch:
    """What runs to list: those of a window that have all these values; None means any.

    `server` is a server's id, `address` the external address of the test.
    """

    window: RunFilter
    status: Status | None = None
    scope: Scope | None = None
    kind: FailureKind | None = None
    trigger: Trigger | None = None
    server: str | None = None
    isp: str | None = None
    address: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for the query of `read_page`."""
        values = {
            runs.c.status: self.status,
            runs.c.failure_scope: self.scope,
            runs.c.failure_kind: self.kind,
            runs.c.trigger: self.trigger,
            servers.c.id: self.server,
            isps.c.name: self.isp,
            runs.c.external_ip: self.address,
        }
        return [*self.window.conditions(), *(column == value for column, value in values.items() if value is not None)]


# The place of a run in a list, newest first: its start in epoch seconds, and its primary key.
Position = tuple[int, int]


def read_page(
    connection: Connection, search: RunSearch, *, limit: int, after: Position | None = None
) -> list[tuple[Position, Run]]:
    """Return at most `limit` runs with their positions, newest first, from the one that follows a position."""
    query = _runs_query().add_columns(runs.c.started_at, runs.c.pk).where(*_page_conditions(search, after))
    rows = connection.execute(query.order_by(*_NEWEST_FIRST).limit(limit))
    return [((row[-2], row[-1]), _to_run(row[:-2])) for row in rows]


def page_end(
    connection: Connection, search: RunSearch, *, limit: int, after: Position | None = None
) -> Position | None:
    """Return the position of the last run of a page of `read_page`; None if no run follows it."""
    query = select(runs.c.started_at, runs.c.pk).select_from(runs.outerjoin(isps).outerjoin(servers))
    query = query.where(*_page_conditions(search, after)).order_by(*_NEWEST_FIRST)
    rows = connection.execute(query.offset(limit - 1).limit(2)).all()
    return (rows[0].started_at, rows[0].pk) if len(rows) > 1 else None


def _page_conditions(search: RunSearch, after: Position | None) -> list[ColumnElement[bool]]:
    if after is None:
        return search.conditions()
    started, pk = after
    follows = and_(runs.c.started_at <= started, or_(runs.c.started_at < started, runs.c.pk < pk))
    return [*search.conditions(), follows]


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
        query = query.where(runs.c.probe_pk.in_(probes))
    if since is not None:
        query = query.where(runs.c.started_at >= to_epoch(since))
    if statuses:
        query = query.where(runs.c.status.in_(statuses))
    return [_to_run(row) for row in connection.execute(query)]


def last_run(connection: Connection, probes: Collection[int] = ()) -> Run | None:
    """Return the newest run, of these probes if given; None if there is none."""
    return next(iter(latest_runs(connection, limit=1, probes=probes)), None)


def latest_starts(url: str, probe: str) -> tuple[datetime | None, datetime | None]:
    """Return when the run of a probe that was stored last started, and the latest start of its stored runs.

    Runs with a doubtful clock do not count: None where that is the last one, and where there is no other. Changes
    nothing, so that a store that is missing or has another schema has no runs.

    Raises:
        StoreError: the store cannot be read.
    """
    if not is_schema_current(url):
        return None, None
    has_doubt = func.coalesce(runs.c.remarks, "").contains(f'"kind":"{Doubt.CLOCK}"', autoescape=True)
    of_probe = select(runs.c.started_at, has_doubt).join(tables.probes).where(tables.probes.c.name == probe)
    with open_reader(url) as connection:
        last = connection.execute(of_probe.order_by(runs.c.pk.desc()).limit(1)).one_or_none()
        newest = connection.execute(
            of_probe.where(~has_doubt).order_by(runs.c.started_at.desc()).limit(1)
        ).one_or_none()
    return None if last is None or last[1] else _to_moment(last[0]), None if newest is None else _to_moment(newest[0])


def _to_moment(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def first_start(connection: Connection, probes: Collection[int] = ()) -> datetime | None:
    """Return when the oldest run started, of these probes if given; None if there is none."""
    query = select(runs.c.started_at).order_by(runs.c.started_at).limit(1)
    if probes:
        query = query.where(runs.c.probe_pk.in_(probes))
    started = connection.scalar(query)
    return None if started is None else _to_moment(started)


def newest_runs(
    connection: Connection, statuses: Collection[Status], *, scope: Scope | None = None, probes: Collection[int] = ()
) -> list[Run]:
    """Return the newest run of each probe and path that has one of the statuses, and that scope of failure if given."""
    conditions = [runs.c.status.in_(statuses), *([] if scope is None else [runs.c.failure_scope == scope])]
    pks: list[int] = []
    for probe in probes or connection.scalars(select(tables.probes.c.pk)).all():
        for path in NetworkPath:
            source = select(runs.c.pk).where(runs.c.probe_pk == probe, runs.c.path == path, *conditions)
            pks.extend(connection.scalars(source.order_by(*_NEWEST_FIRST).limit(1)))
    return _runs_of(connection, pks)


def newest_runs_of_each(connection: Connection, limit: int, probes: Collection[int] = ()) -> list[Run]:
    """Return the newest runs, newest first: at most `limit` of each probe and path, of these probes if given."""
    pks: list[int] = []
    for path in NetworkPath:
        of_probe = select(runs.c.pk).where(runs.c.probe_pk == tables.probes.c.pk, runs.c.path == path)
        newest = of_probe.order_by(*_NEWEST_FIRST).limit(limit).correlate(tables.probes)
        one = runs.alias()
        query = select(one.c.pk).select_from(tables.probes.join(one, one.c.pk.in_(newest)))
        pks.extend(connection.scalars(query.where(tables.probes.c.pk.in_(probes)) if probes else query))
    return sorted(_runs_of(connection, pks), key=lambda run: run.started_at, reverse=True)


def _runs_of(connection: Connection, pks: Sequence[int]) -> list[Run]:
    batches = (pks[at : at + _MAX_IDS] for at in range(0, len(pks), _MAX_IDS))
    return [_to_run(row) for batch in batches for row in connection.execute(_runs_query().where(runs.c.pk.in_(batch)))]


def plans_by_run(connection: Connection, ids: Sequence[str]) -> dict[str, Plan]:
    """Return the plan that each of the runs with these ids was stored with, by id."""
    batches = (ids[at : at + _MAX_IDS] for at in range(0, len(ids), _MAX_IDS))
    queries = (select(runs.c.id, *tables.plan_columns).where(runs.c.id.in_(batch)) for batch in batches)
    return {run_id: Plan(*plan) for query in queries for run_id, *plan in connection.execute(query)}


def runs_by_pk(connection: Connection, after: int, last: int) -> Iterator[Run]:
    """Yield the runs with primary keys in (after, last], in that order."""
    query = _runs_query().where(runs.c.pk > after, runs.c.pk <= last).order_by(runs.c.pk)
    return map(_to_run, connection.execute(query))


def newest_pk(connection: Connection, probe_pk: int, after: int) -> int:
    """Return the primary key of the run of a probe that was stored last, after a primary key; that if there is none."""
    newest = select(func.max(runs.c.pk)).where(runs.c.probe_pk == probe_pk, runs.c.pk > after)
    return connection.scalar(newest) or after


def measured_runs_by_pk(connection: Connection, probe_pk: int, after: int, limit: int) -> list[tuple[int, Run, Plan]]:
    """Return the newest runs of a probe after a primary key, at most `limit`, in the order in which they were stored.

    Each is given with its primary key and plan. Imported runs are left out.
    """
    selected = (runs.c.probe_pk == probe_pk, runs.c.pk > after, runs.c.trigger != Trigger.IMPORT)
    query = select(runs.c.pk, *tables.plan_columns).where(*selected).order_by(runs.c.pk.desc()).limit(limit)
    plans = {pk: Plan(*plan) for pk, *plan in reversed(connection.execute(query).all())}
    stored: dict[int, Run] = {}
    pks = iter(plans)
    while batch := list(itertools.islice(pks, _MAX_IDS)):
        rows = connection.execute(_runs_query().add_columns(runs.c.pk).where(runs.c.pk.in_(batch)))
        stored |= {row[-1]: _to_run(row[:-1]) for row in rows}
    return [(pk, stored[pk], plan) for pk, plan in plans.items()]


def exclusion_mark(connection: Connection) -> tuple[int, int]:
    """Return a pair that changes whenever a run is excluded or counts again, for caches of figures."""
    query = select(func.count(), func.coalesce(func.sum(runs.c.pk), 0)).where(runs.c.excluded.is_not(None))
    count, total = connection.execute(query).one()
    return count, int(total)


def count_runs(connection: Connection) -> int:
    """Return the number of stored runs."""
    return connection.scalar(select(func.count()).select_from(runs)) or 0


def find_attempt(connection: Connection, beginning: str) -> Attempt:
    """Return the run whose id begins with a text.

    Raises:
        UsageError: no id begins with it, or more than one.
    """
    pk = _find_pk(connection, beginning)
    return Attempt(
        _to_run(connection.execute(_runs_query().where(runs.c.pk == pk)).one()),
        Plan(*connection.execute(select(*tables.plan_columns).where(runs.c.pk == pk)).one()),
        _read_output(connection, pk),
        _read_findings(connection, pk),
        _read_trace(connection, pk),
    )


def read_findings(connection: Connection, run_id: str) -> Findings | None:
    """Return the findings of the diagnosis of a failed run; None if there was none."""
    pk = connection.scalar(select(runs.c.pk).where(runs.c.id == run_id))
    return None if pk is None else _read_findings(connection, pk)


def stored_ids(connection: Connection, ids: Iterable[str], probe: str | None = None) -> set[str]:
    """Return those of the ids that are stored; with `probe`, as runs of the probe of that name."""
    query = select(runs.c.id)
    if probe is not None:
        query = query.join(tables.probes).where(tables.probes.c.name == probe)
    stored: set[str] = set()
    remaining = iter(ids)
    while batch := list(itertools.islice(remaining, _MAX_IDS)):
        stored.update(connection.scalars(query.where(runs.c.id.in_(batch))))
    return stored


def newest_start(connection: Connection, selection: RunFilter, trigger: Trigger | None = None) -> datetime | None:
    """Return when the newest of the selected runs (of this trigger) started; None if there is none."""
    paths = (selection.path,) if selection.path else tuple(NetworkPath)
    newest = [_newest_start_over(path, selection, trigger) for path in paths]
    query = select(*(func.max(start) for start in newest)).select_from(tables.probes)
    if selection.probes:
        query = query.where(tables.probes.c.pk.in_(selection.probes))
    starts = [start for start in connection.execute(query).one() if start is not None]
    return datetime.fromtimestamp(max(starts), UTC) if starts else None


def oldest_start(connection: Connection, selection: RunFilter) -> datetime | None:
    """Return when the oldest of the selected runs started; None if there is none."""
    start = connection.execute(select(func.min(runs.c.started_at)).where(*selection.conditions())).scalar()
    return None if start is None else datetime.fromtimestamp(start, UTC)


def _newest_start_over(path: NetworkPath, selection: RunFilter, trigger: Trigger | None) -> ScalarSelect[Any]:
    """Return the query for one probe: the index has its runs over a path by time."""
    conditions = [*replace(selection, path=path, probes=()).conditions(), runs.c.probe_pk == tables.probes.c.pk]
    if trigger is not None:
        conditions.append(runs.c.trigger == trigger)
    query = select(runs.c.started_at).where(*conditions).order_by(runs.c.started_at.desc()).limit(1)
    return query.correlate(tables.probes).scalar_subquery()


def _runs_query() -> Select[tuple[Any, ...]]:
    plain = (runs.c[name] if name in runs.c else _JOINED_COLUMNS[name] for name in _PLAIN_COLUMNS)
    # Outer joins make SQLite begin with the runs, whatever its statistics say about the sizes of the tables.
    joined = runs.outerjoin(tables.probes).outerjoin(isps).outerjoin(servers)
    return select(*plain, runs.c.remarks, *_SERVER_COLUMNS, *_FAILURE_COLUMNS).select_from(joined)


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
