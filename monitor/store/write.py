"""Inserts attempts with everything that belongs to them, and excludes runs, in the transaction of `open_writer`."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from heapq import nlargest
from itertools import islice, pairwise
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import DataError, IntegrityError

from monitor.errors import StoreRejectedError, UsageError
from monitor.model import Failure, Plan, RawOutput, Run, is_run_id
from monitor.store import events, packed_days, postgres, rollups, tables
from monitor.store.lookups import RowNumbers
from monitor.store.tables import ROLLUP_SPANS_S, findings, raw_output, runs, traces
from netns.probe.findings import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from monitor.model import Attempt, NetworkPath


_PLAIN_COLUMNS = tuple(
    field.name
    for field in dataclasses.fields(Run)
    if field.name not in {"probe", "isp", "server", "failure", "remarks", "started_at", "finished_at"}
)

_plain_values = attrgetter(*_PLAIN_COLUMNS)

_NO_OUTPUT = RawOutput()

# The longest reason for excluding a run.
MAX_REASON = 500

# The number of runs that are looked up, and inserted, in one statement.
_BATCH = 500

# Roll-ups of runs that are further apart than this are not recomputed together.
_MAX_GAP_S, _MAX_STRETCHES = 86_400, 16

# Packed columns hold the start of a run in 32 bits, which last until 2106.
_END_EPOCH = 2**32


def add_attempt(connection: Connection, attempt: Attempt) -> None:
    """Store an attempt; one that is already stored is not changed.

    Raises:
        StoreRejectedError: a value that the schema rejects, such as a negative rate.
    """
    add_attempts(connection, (attempt,))


def add_attempts(connection: Connection, attempts: Iterable[Attempt]) -> tuple[int, int]:
    """Store attempts, read one batch at a time; return how many were stored, and how many were stored already.

    An attempt that is already stored is not changed. Roll-ups, packed days and events are updated once, at the end.

    Raises:
        StoreRejectedError: a value that the schema rejects; the message names the run.
    """
    names, changed = RowNumbers(connection), ChangedHours()
    stored = total = 0
    remaining = iter(attempts)
    while batch := list(islice(remaining, _BATCH)):
        _refuse_odd_runs(batch)
        if connection.dialect.name == "postgresql":
            _prepare_postgres(connection, batch, names)
        new = _select_new(connection, batch)
        _insert_attempts(connection, new, names, changed)
        stored, total = stored + len(new), total + len(batch)
    for probe_pk, path, since, until in changed.stretches():
        rollups.recompute_rollups(connection, probe_pk, path, since, until)
        packed_days.repack_days(connection, probe_pk, path, since, until)
        events.update_events(connection, probe_pk, path, since, until)
    return stored, total - stored


def exclude_run(connection: Connection, run_id: str, reason: str | None) -> bool:
    """Leave a run out of all statistics, or count it again if the reason is None; return whether the run is stored.

    Raises:
        UsageError: the reason is empty or too long.
    """
    if reason is not None:
        reason = " ".join(reason.split())
        if not 0 < len(reason) <= MAX_REASON:
            raise UsageError(f"the reason must have 1 to {MAX_REASON} characters")
    if connection.dialect.name == "postgresql":
        for probe_pk in connection.scalars(select(runs.c.probe_pk).where(runs.c.id == run_id)).all():
            postgres.lock_for_transaction(connection, probe_pk)
    columns = (runs.c.pk, runs.c.probe_pk, runs.c.path, runs.c.started_at)
    row = connection.execute(select(*columns).where(runs.c.id == run_id)).first()
    if row is None:
        return False
    connection.execute(update(runs).where(runs.c.pk == row.pk).values(excluded=reason))
    rollups.recompute_rollups(connection, row.probe_pk, row.path, row.started_at, row.started_at)
    packed_days.repack_days(connection, row.probe_pk, row.path, row.started_at, row.started_at)
    events.update_events_around(connection, row.probe_pk, row.path, row.pk)
    return True


def _refuse_odd_runs(batch: list[Attempt]) -> None:
    """Refuse ids that are no UUIDs, whoever made them up, and times out of range."""
    for run in (attempt.run for attempt in batch):
        if not is_run_id(run.id):
            raise StoreRejectedError(f"run {run.id[:64]!r} cannot be stored: its id is not a UUID")
        if not is_run_id(run.retry_of or run.id):
            raise StoreRejectedError(f"run {run.id} cannot be stored: it is a retry of {run.retry_of!r}, not a UUID")
        if not 0 <= _to_epoch(run.started_at) < _END_EPOCH:
            raise StoreRejectedError(f"run {run.id} cannot be stored: it started in the year {run.started_at:%Y}")


def _prepare_postgres(connection: Connection, batch: list[Attempt], names: RowNumbers) -> None:
    """Lock the probes against other writers, and create the partitions for the runs."""
    for name in sorted({attempt.run.probe for attempt in batch}):
        postgres.lock_for_transaction(connection, names.probe(name))
    postgres.make_partitions(connection, {_to_epoch(attempt.run.started_at) for attempt in batch})


class ChangedHours:
    """The hours, by probe and path, in which runs were stored."""

    def __init__(self) -> None:
        self._hours: dict[tuple[int, NetworkPath], set[int]] = {}

    def note(self, probe_pk: int, path: NetworkPath, started_at: int) -> None:
        """Add the hour of a run."""
        self._hours.setdefault((probe_pk, path), set()).add(started_at - started_at % ROLLUP_SPANS_S[0])

    def stretches(self) -> Iterator[tuple[int, NetworkPath, int, int]]:
        """Yield probe, path, and the first and last second of stretches of hours, at most `_MAX_STRETCHES` of each.

        They are apart by the longest gaps that are longer than `_MAX_GAP_S`: a log with a test every few days would
        otherwise cost a dozen queries for each run.
        """
        for (probe_pk, path), hours in self._hours.items():
            ordered = sorted(hours)
            gaps = [(following - hour, following) for hour, following in pairwise(ordered)]
            longest = nlargest(_MAX_STRETCHES - 1, (gap for gap in gaps if gap[0] > _MAX_GAP_S))
            firsts = sorted([ordered[0], *(following for _, following in longest)])
            places = [*(bisect_left(ordered, first) for first in firsts), len(ordered)]
            for place, end in pairwise(places):
                yield probe_pk, path, ordered[place], ordered[end - 1] + ROLLUP_SPANS_S[0] - 1


def _select_new(connection: Connection, batch: list[Attempt]) -> list[Attempt]:
    """Return the attempts whose ids are not stored, one for each id."""
    by_id: dict[str, Attempt] = {}
    for attempt in batch:
        by_id.setdefault(attempt.run.id, attempt)
    for run_id in _stored_pks(connection, batch):
        del by_id[run_id]
    return list(by_id.values())


def _stored_pks(connection: Connection, batch: list[Attempt]) -> dict[str, int]:
    """Return the ids of a batch that are stored, with their primary keys."""
    if not batch:
        return {}
    query = select(runs.c.id, runs.c.pk).where(runs.c.id.in_([attempt.run.id for attempt in batch]))
    if connection.dialect.name == "postgresql":  # the times limit the search to some partitions
        moments = [_to_epoch(attempt.run.started_at) for attempt in batch]
        query = query.where(runs.c.started_at.between(min(moments), max(moments)))
    return {row.id: row.pk for row in connection.execute(query)}


def _insert_attempts(connection: Connection, new: list[Attempt], names: RowNumbers, changed: ChangedHours) -> None:
    if not new:
        return
    rows = [to_row(attempt, names) for attempt in new]
    for row in rows:
        changed.note(row["probe_pk"], row["path"], row["started_at"])
    _insert_runs(connection, rows)
    # Imported runs have none, and then their primary keys are not needed.
    parents = [attempt for attempt in new if _has_dependents(attempt)]
    for table, dependents in _dependent_rows(parents, _stored_pks(connection, parents)).items():
        if dependents:
            connection.execute(insert(table), dependents)


def _has_dependents(attempt: Attempt) -> bool:
    return attempt.findings is not None or attempt.trace is not None or attempt.raw != _NO_OUTPUT


def _insert_runs(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Insert rows together; if that fails, one by one, so that the error names the run that was rejected."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(*_compile_insert(connection, rows))
    except (IntegrityError, DataError, OverflowError) as error:
        if len(rows) == 1:
            reason = str(error.orig if isinstance(error, IntegrityError) else error).partition("\n")[0]
            raise StoreRejectedError(f"run {rows[0]['id']} cannot be stored: {reason}") from error
        for row in rows:
            _insert_runs(connection, [row])


def _compile_insert(connection: Connection, rows: list[dict[str, Any]]) -> tuple[str, list[Any]]:
    """Return the statement for rows and its parameters, as the driver takes them: four times as fast as `execute`."""
    compiled = insert(runs).inline().compile(dialect=connection.dialect, column_keys=list(rows[0]))
    names = compiled.positiontup
    return str(compiled), [*map(itemgetter(*names), rows)] if names else rows


def _dependent_rows(attempts: list[Attempt], pks: dict[str, int]) -> dict[Table, list[dict[str, Any]]]:
    """Return the rows of the tables that refer to a run: output, findings and trace."""
    rows: dict[Table, list[dict[str, Any]]] = {raw_output: [], findings: [], traces: []}
    for attempt in attempts:
        key = {"run_pk": pks[attempt.run.id]}
        if attempt.raw != _NO_OUTPUT:
            rows[raw_output].append(key | {"output": tables.encode_output(attempt.raw)})
        if attempt.findings is not None:
            rows[findings].append(key | {"document": to_json(attempt.findings).decode()})
        if attempt.trace is not None:
            rows[traces].append(key | tables.encode_trace(attempt.trace))
    return rows


def to_row(attempt: Attempt, names: RowNumbers) -> dict[str, Any]:
    """Return an attempt as a row of `runs`, without its primary key."""
    run = attempt.run
    row = dict(zip(_PLAIN_COLUMNS, _plain_values(run), strict=True))
    row["started_at"], row["finished_at"] = _to_epoch(run.started_at), _to_epoch(run.finished_at)
    row["probe_pk"], row["isp_pk"] = names.probe(run.probe), names.isp(run.isp)
    row["server_pk"] = names.server(run.server)
    row["remarks"] = tables.encode_remarks(run.remarks)
    row |= _NO_FAILURE if run.failure is None else _flatten("failure", run.failure)
    row |= _NO_PLAN_VALUES if attempt.plan == _NO_PLAN else _flatten("plan", attempt.plan)
    return row


def _to_epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _flatten(prefix: str, part: Failure | Plan) -> dict[str, Any]:
    return {f"{prefix}_{field.name}": getattr(part, field.name) for field in dataclasses.fields(part)}


_NO_PLAN = Plan()

_NO_PLAN_VALUES = _flatten("plan", _NO_PLAN)

_NO_FAILURE = {f"failure_{field.name}": None for field in dataclasses.fields(Failure)}
