"""Writes: attempts with all that belongs to them, inside the transaction of `open_writer`."""

from __future__ import annotations

import dataclasses
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select
from sqlalchemy.exc import DataError, IntegrityError

from monitor.errors import StoreRejectedError
from monitor.model import Failure, Plan, RawOutput, Run
from monitor.store import blobs, changes, days, postgres, rollups
from monitor.store.names import Names
from monitor.store.tables import SPANS, findings, raw_output, runs, traces
from netns.findings import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from monitor.model import Attempt, Path


_PLAIN = [
    field.name
    for field in dataclasses.fields(Run)
    if field.name not in {"probe", "isp", "server", "failure", "remarks", "started_at", "finished_at"}
]
_SILENCE = RawOutput()
# Runs whose ids are looked up, and whose rows are inserted, at once.
_BATCH = 500
# Runs further apart than this do not make one stretch whose roll-ups are recomputed together.
_APART_S = 86_400
# Columns keep when runs began in 32 bits: to 2106.
_END = 2**32


def add(connection: Connection, attempt: Attempt) -> None:
    """Store an attempt with all that belongs to it; one that is stored already stays as it is.

    Raises:
        StoreRejectedError: a value that the schema refuses, such as a negative rate.
    """
    add_many(connection, (attempt,))


def add_many(connection: Connection, attempts: Iterable[Attempt]) -> tuple[int, int]:
    """Store attempts, read as they are needed; return how many were stored, and how many were there already.

    One that is there already stays as it is. Roll-ups, packed days and events are brought up to date once, at the end.

    Raises:
        StoreRejectedError: a value that the schema refuses; the message names the run.
    """
    names, touched = Names(connection), Touched()
    stored = given = 0
    remaining = iter(attempts)
    while batch := list(islice(remaining, _BATCH)):
        _refuse_other_times(batch)
        if connection.dialect.name == "postgresql":
            _prepare(connection, batch, names)
        new = _unknown(connection, batch)
        _insert(connection, new, names, touched)
        stored, given = stored + len(new), given + len(batch)
    for probe_pk, path, since, until in touched.stretches():
        rollups.recompute(connection, probe_pk, path, since, until)
        days.repack(connection, probe_pk, path, since, until)
        changes.note(connection, probe_pk, path, since, until)
    return stored, given - stored


def _refuse_other_times(batch: list[Attempt]) -> None:
    for run in (attempt.run for attempt in batch):
        if not 0 <= _epoch(run.started_at) < _END:
            raise StoreRejectedError(f"run {run.id} does not fit the store: it began in the year {run.started_at:%Y}")


def _prepare(connection: Connection, batch: list[Attempt], names: Names) -> None:
    """Keep other writers of the same probes out, and have partitions for the runs."""
    for name in sorted({attempt.run.probe for attempt in batch}):
        postgres.alone(connection, names.probe(name))
    postgres.make_room(connection, {_epoch(attempt.run.started_at) for attempt in batch})


class Touched:
    """When runs of each probe and path were stored."""

    def __init__(self) -> None:
        self._hours: dict[tuple[int, Path], set[int]] = {}

    def note(self, probe_pk: int, path: Path, started_at: int) -> None:
        """Remember the hour of a run."""
        self._hours.setdefault((probe_pk, path), set()).add(started_at - started_at % SPANS[0])

    def stretches(self) -> Iterator[tuple[int, Path, int, int]]:
        """Yield each probe and path with the first and the last second of hours that are not far apart."""
        for (probe_pk, path), hours in self._hours.items():
            first = last = min(hours)
            for hour in sorted(hours):
                if hour - last > _APART_S:
                    yield probe_pk, path, first, last + SPANS[0] - 1
                    first = hour
                last = hour
            yield probe_pk, path, first, last + SPANS[0] - 1


def _unknown(connection: Connection, batch: list[Attempt]) -> list[Attempt]:
    """Return the attempts whose ids are not stored, each id once."""
    by_id: dict[str, Attempt] = {}
    for attempt in batch:
        by_id.setdefault(attempt.run.id, attempt)
    for known in _rows(connection, batch):
        del by_id[known]
    return list(by_id.values())


def _rows(connection: Connection, batch: list[Attempt]) -> dict[str, int]:
    """Return the ids of a batch that are stored, with their rows."""
    found = select(runs.c.id, runs.c.pk).where(runs.c.id.in_([attempt.run.id for attempt in batch]))
    if connection.dialect.name == "postgresql":  # there the times tell which partitions to look into
        moments = [_epoch(attempt.run.started_at) for attempt in batch]
        found = found.where(runs.c.started_at.between(min(moments), max(moments)))
    return {row.id: row.pk for row in connection.execute(found)}


def _insert(connection: Connection, new: list[Attempt], names: Names, touched: Touched) -> None:
    if not new:
        return
    rows = [columns_of(attempt, names) for attempt in new]
    for row in rows:
        touched.note(row["probe_pk"], row["path"], row["started_at"])
    _insert_runs(connection, rows)
    for table, beside in _beside(new, _rows(connection, new)).items():
        if beside:
            connection.execute(insert(table), beside)


def _insert_runs(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Insert rows at once; where one is refused, one by one, so that the error can name it."""
    try:
        with connection.begin_nested():
            connection.execute(insert(runs), rows)
    except (IntegrityError, DataError, OverflowError) as error:
        if len(rows) == 1:
            reason = str(error.orig if isinstance(error, IntegrityError) else error).partition("\n")[0]
            raise StoreRejectedError(f"run {rows[0]['id']} does not fit the store: {reason}") from error
        for row in rows:
            _insert_runs(connection, [row])


def _beside(attempts: list[Attempt], pks: dict[str, int]) -> dict[Table, list[dict[str, Any]]]:
    """Return the rows of the tables that hold what belongs to a run."""
    rows: dict[Table, list[dict[str, Any]]] = {raw_output: [], findings: [], traces: []}
    for attempt in attempts:
        key = {"run_pk": pks[attempt.run.id]}
        if attempt.raw != _SILENCE:
            rows[raw_output].append(key | {"output": blobs.from_output(attempt.raw)})
        if attempt.findings is not None:
            rows[findings].append(key | {"document": encode(attempt.findings).decode()})
        if attempt.trace is not None:
            rows[traces].append(key | blobs.from_trace(attempt.trace))
    return rows


def columns_of(attempt: Attempt, names: Names) -> dict[str, Any]:
    """Return the row of an attempt in `runs`, without its pk."""
    run = attempt.run
    row = {name: getattr(run, name) for name in _PLAIN}
    row |= {"started_at": _epoch(run.started_at), "finished_at": _epoch(run.finished_at)}
    row |= {"probe_pk": names.probe(run.probe), "isp_pk": names.isp(run.isp), "server_pk": names.server(run.server)}
    row["remarks"] = blobs.from_remarks(run.remarks)
    return row | _flat("failure", Failure, run.failure) | _flat("plan", Plan, attempt.plan)


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _flat(prefix: str, kind: type[Failure | Plan], part: Failure | Plan | None) -> dict[str, Any]:
    return {f"{prefix}_{field.name}": part and getattr(part, field.name) for field in dataclasses.fields(kind)}
