"""The outbox: the runs of this store that a fleet has not acknowledged, in the order in which they were stored.

No run is copied; only the row of the last acknowledged run is recorded. SQLite may reuse the number of a deleted row,
so the id of the run is recorded too: if that row no longer has it, everything is sent again, and the fleet skips the
runs that it already has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import func, insert, select, update

from monitor.model import Attempt, Plan, RawOutput
from monitor.store import blobs, read
from monitor.store.tables import findings, forwarding, raw_output, runs, traces
from netns.findings import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Table

    from netns.findings import Findings

_Value = TypeVar("_Value")
_PLAN = tuple(runs.c[f"plan_{name}"] for name in Plan.__slots__)


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of forwarding: the fleet's identity, the last run it acknowledged, and consecutive failures since."""

    target: str | None = None
    run_pk: int = 0
    run_id: str | None = None
    acknowledged_at: datetime | None = None
    failures: int = 0
    failed_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The number of waiting runs, and when the oldest of them started."""

    runs: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs to forward; `last_pk` is the primary key of the last one."""

    attempts: tuple[Attempt, ...]
    last_pk: int


def progress(connection: Connection) -> Progress:
    """Return the state of forwarding."""
    row = connection.execute(select(forwarding)).mappings().one_or_none()
    if row is None:
        return Progress()
    return Progress(
        row["target"],
        row["run_pk"] or 0,
        row["run_id"],
        _moment(row["acknowledged_at"]),
        row["failures"],
        _moment(row["failed_at"]),
        row["error"],
    )


def place(connection: Connection, state: Progress, target: str | None) -> int:
    """Return the primary key after which runs are waiting for a fleet; 0 if it is not the fleet of the last time."""
    run_id = connection.scalar(select(runs.c.id).where(runs.c.pk == state.run_pk))
    return state.run_pk if run_id is not None and run_id == state.run_id and state.target == target else 0


def waiting(connection: Connection) -> Waiting:
    """Return what is waiting for the fleet of the last time."""
    state = progress(connection)
    after = runs.c.pk > place(connection, state, state.target)
    row = connection.execute(select(func.count(), func.min(runs.c.started_at)).where(after)).one()
    return Waiting(row[0], _moment(row[1]))


def batch(connection: Connection, after: int, size: int, *, raw: bool) -> Batch:
    """Return the next runs after a primary key, with everything stored about them; engine output only with `raw`."""
    query = select(runs.c.pk, *_PLAN).where(runs.c.pk > after).order_by(runs.c.pk).limit(size)
    plans = {pk: Plan(*plan) for pk, *plan in connection.execute(query)}
    if not plans:
        return Batch((), after)
    last = max(plans)
    outputs = _beside(connection, raw_output, after, last, blobs.to_output) if raw else {}
    diagnoses = _beside(connection, findings, after, last, _decoded)
    samples = _beside(connection, traces, after, last, blobs.to_trace)
    attempts = (
        Attempt(run, plans[pk], outputs.get(pk, RawOutput()), diagnoses.get(pk), samples.get(pk))
        for pk, run in zip(plans, read.rows(connection, after, last), strict=True)
    )
    return Batch(tuple(attempts), last)


def acknowledge(connection: Connection, target: str, sent: Batch, now: datetime) -> None:
    """Record that the fleet has a batch, and reset the failures."""
    last = {"run_pk": sent.last_pk, "run_id": sent.attempts[-1].run.id} if sent.attempts else {}
    no_failure = {"failures": 0, "failed_at": None, "error": None}
    _remember(connection, {"target": target, "acknowledged_at": int(now.timestamp()), **last, **no_failure})


def note_failure(connection: Connection, error: str, now: datetime) -> None:
    """Record another failure to forward."""
    failures = progress(connection).failures + 1
    _remember(connection, {"failures": failures, "failed_at": int(now.timestamp()), "error": error})


def _remember(connection: Connection, values: dict[str, Any]) -> None:
    if not connection.execute(update(forwarding).values(values)).rowcount:
        connection.execute(insert(forwarding).values({"failures": 0} | values | {"pk": 1}))


def _beside(
    connection: Connection, table: Table, after: int, last: int, make: Callable[..., _Value]
) -> dict[int, _Value]:
    """Return the rows of a table that belong to the runs in (after, last], by the key of the run."""
    query = select(table).where(table.c.run_pk > after, table.c.run_pk <= last)
    return {pk: make(*values) for pk, *values in connection.execute(query)}


def _decoded(document: str) -> Findings | None:
    return decode(document.encode())


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
