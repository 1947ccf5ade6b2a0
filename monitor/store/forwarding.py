"""Copies runs to the PostgreSQL of a fleet, in batches: read from this store, commit to the fleet, record it here.

No run is marked; only the last one that the fleet acknowledged is recorded, and runs are sent in the order in which
they were stored. SQLite may reuse the number of a deleted row, so the id of that run is recorded too: if the row no
longer has it, everything is sent again. The fleet skips runs whose ids it has, so a fault at any moment does no harm:
the next successful push completes the work.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import func, insert, select, update

from monitor.errors import ConfigError, ProbeClashError, SpeedmonError, StoreError
from monitor.model import Attempt, Plan, RawOutput, Scope, Status, is_run_id
from monitor.store import lookups, read, tables
from monitor.store.connection import open_reader, open_writer
from monitor.store.database_file import sqlite_path
from monitor.store.tables import findings, forwarding, raw_output, runs, traces
from monitor.store.write import add_attempts
from netns.probe.findings import from_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Table

    from monitor.config.settings import Settings
    from monitor.model import Run
    from netns.probe.findings import Findings


# The number of runs in the first batch of a push, and the most.
FIRST_BATCH = 10

MAX_BATCH = 500

# How long a command waits for forwarding after a test.
TIME_LIMIT_S = 5.0

# No further batch is started after this time.
NO_NEW_BATCH_AFTER_S = 2.0

# The back-off after a failure, doubled by each one that follows.
FIRST_PAUSE = timedelta(minutes=1)

LONGEST_PAUSE = timedelta(hours=1)

_Value = TypeVar("_Value")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ForwardingProgress:
    """The state of forwarding: the fleet's identity, the last run it acknowledged, and consecutive failures since."""

    target: str | None = None
    run_pk: int = 0
    run_id: str | None = None
    acknowledged_at: datetime | None = None
    failures: int = 0
    failed_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WaitingRuns:
    """The number of waiting runs, and when the oldest of them started."""

    runs: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs to forward; `last_pk` is the primary key of the last one."""

    attempts: tuple[Attempt, ...]
    last_pk: int


def read_progress(connection: Connection) -> ForwardingProgress:
    """Return the state of forwarding."""
    row = connection.execute(select(forwarding)).mappings().one_or_none()
    if row is None:
        return ForwardingProgress()
    return ForwardingProgress(
        row["target"],
        row["run_pk"] or 0,
        row["run_id"],
        _to_datetime(row["acknowledged_at"]),
        row["failures"],
        _to_datetime(row["failed_at"]),
        row["error"],
    )


def resume_after(connection: Connection, state: ForwardingProgress, target: str | None) -> int:
    """Return the primary key after which runs are waiting for a fleet; 0 if it is not the fleet of the last time."""
    run_id = connection.scalar(select(runs.c.id).where(runs.c.pk == state.run_pk))
    return state.run_pk if run_id is not None and run_id == state.run_id and state.target == target else 0


def count_waiting(connection: Connection) -> WaitingRuns:
    """Return what is waiting for the fleet of the last time."""
    state = read_progress(connection)
    after = runs.c.pk > resume_after(connection, state, state.target)
    row = connection.execute(select(func.count(), func.min(runs.c.started_at)).where(after)).one()
    return WaitingRuns(row[0], _to_datetime(row[1]))


def read_batch(connection: Connection, after: int, size: int, *, raw: bool) -> Batch:
    """Return the next runs after a primary key, with everything stored about them; engine output only with `raw`."""
    query = select(runs.c.pk, *tables.plan_columns).where(runs.c.pk > after).order_by(runs.c.pk).limit(size)
    plans = {pk: Plan(*plan) for pk, *plan in connection.execute(query)}
    if not plans:
        return Batch((), after)
    last = max(plans)
    outputs = _rows_by_run(connection, raw_output, after, last, tables.decode_output) if raw else {}
    diagnoses = _rows_by_run(connection, findings, after, last, _decode_findings)
    samples = _rows_by_run(connection, traces, after, last, tables.decode_trace)
    attempts = (
        Attempt(run, plans[pk], outputs.get(pk, RawOutput()), diagnoses.get(pk), samples.get(pk))
        for pk, run in zip(plans, read.runs_by_pk(connection, after, last), strict=True)
    )
    return Batch(tuple(attempts), last)


def record_success(connection: Connection, target: str, sent: Batch, now: datetime) -> None:
    """Record that the fleet has a batch, and reset the failures."""
    last = {"run_pk": sent.last_pk, "run_id": sent.attempts[-1].run.id} if sent.attempts else {}
    no_failure = {"failures": 0, "failed_at": None, "error": None}
    _update_progress(connection, {"target": target, "acknowledged_at": int(now.timestamp()), **last, **no_failure})


def record_failure(connection: Connection, error: str, now: datetime) -> None:
    """Record another failure to forward."""
    failures = read_progress(connection).failures + 1
    _update_progress(connection, {"failures": failures, "failed_at": int(now.timestamp()), "error": error})


def _update_progress(connection: Connection, values: dict[str, Any]) -> None:
    if not connection.execute(update(forwarding).values(values)).rowcount:
        connection.execute(insert(forwarding).values({"failures": 0} | values | {"pk": 1}))


def with_valid_ids(attempt: Attempt) -> Attempt:
    """Return an attempt for a fleet: ids that an import of an earlier release let in become UUIDs, always the same."""
    run = attempt.run
    if is_run_id(run.id) and is_run_id(run.retry_of or run.id):
        return attempt
    return replace(attempt, run=replace(run, id=_to_uuid(run.id), retry_of=run.retry_of and _to_uuid(run.retry_of)))


def _to_uuid(text: str) -> str:
    return text if is_run_id(text) else str(uuid.uuid5(uuid.NAMESPACE_OID, text))


def _rows_by_run(
    connection: Connection, table: Table, after: int, last: int, make: Callable[..., _Value]
) -> dict[int, _Value]:
    """Return the rows of a table that belong to the runs in (after, last], by the key of the run."""
    query = select(table).where(table.c.run_pk > after, table.c.run_pk <= last)
    return {pk: make(*values) for pk, *values in connection.execute(query)}


def _decode_findings(document: str) -> Findings | None:
    return from_json(document.encode())


def _to_datetime(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True, slots=True)
class PushResult:
    """The result of a push: `sent` runs, `known` of which the fleet already had; `waiting` are left."""

    sent: int = 0
    known: int = 0
    waiting: int = 0


def push_runs(settings: Settings, clock: Callable[[], datetime], go_on: Callable[[PushResult], bool]) -> PushResult:
    """Forward until nothing is waiting, or `go_on`, which is called before each batch, returns False.

    Batches grow, so that a slow line delivers some runs before the time is up.

    Raises:
        ConfigError: there is no fleet, or the runs are not in SQLite.
        StoreError: the fleet cannot store them, which is recorded; or the local database cannot be used.
    """
    _require_fleet(settings)
    result, size = PushResult(), FIRST_BATCH
    while go_on(result):
        sent, known = _push_batch(settings, clock, size)
        result = replace(result, sent=result.sent + sent, known=result.known + known)
        if sent < size:
            break
        size = min(2 * size, MAX_BATCH)
    with open_reader(settings.database.url) as connection:
        return replace(result, waiting=count_waiting(connection).runs)


def adopt_probe_names(settings: Settings) -> None:
    """Assign the names of this store's probes in the fleet to this installation.

    Raises:
        ConfigError, StoreError: as in `push_runs`.
    """
    _require_fleet(settings)
    with open_reader(settings.database.url) as connection:
        names, installation = lookups.probe_names(connection), lookups.store_identity(connection)
    with open_writer(settings.fleet.database_url) as connection:
        lookups.adopt_probes(connection, {settings.probe.name, *names}, installation)


def _require_fleet(settings: Settings) -> None:
    if not settings.fleet.database_url:
        raise ConfigError("there is no fleet: set fleet.database_url to the URL of its PostgreSQL")
    if sqlite_path(settings.database.url) is None:
        raise ConfigError("runs are forwarded from SQLite only: leave database.url empty, or fleet.database_url")


def _push_batch(settings: Settings, clock: Callable[[], datetime], size: int) -> tuple[int, int]:
    """Forward one batch; return the number of runs in it, and how many of them the fleet already had."""
    try:
        return _send_batch(settings, clock, size)
    except StoreError as error:
        with open_writer(settings.database.url) as connection:
            record_failure(connection, str(error), clock())
        raise


def _send_batch(settings: Settings, clock: Callable[[], datetime], size: int) -> tuple[int, int]:
    with open_writer(settings.fleet.database_url) as fleet:
        target = lookups.store_identity(fleet)
        with open_reader(settings.database.url) as connection:
            installation = lookups.store_identity(connection)
            after = resume_after(connection, read_progress(connection), target)
            batch = read_batch(connection, after, size, raw=settings.fleet.raw)
        lookups.claim_probes(fleet, {attempt.run.probe for attempt in batch.attempts}, installation)
        _, known = add_attempts(fleet, map(with_valid_ids, batch.attempts))
    with open_writer(settings.database.url) as connection:
        record_success(connection, target, batch, clock())
    return len(batch.attempts), known


def forward_after_test(settings: Settings, run: Run, limit_s: float = TIME_LIMIT_S) -> None:
    """Forward waiting runs, unless there is no fleet, the line is down, or an earlier failure makes it wait.

    The run is stored already, so a failure here is only logged. The work is done in a daemon thread that is abandoned
    when the time is up, because neither a name lookup nor connecting can be interrupted; the process may end meanwhile.
    """
    if not settings.fleet.database_url or _line_is_down(run):
        return
    thread = threading.Thread(target=_forward_if_due, args=(settings,), name="fleet", daemon=True)
    thread.start()
    thread.join(limit_s)


def _line_is_down(run: Run) -> bool:
    return run.status is Status.FAILED and run.failure is not None and run.failure.scope is Scope.LINE


def _forward_if_due(settings: Settings) -> None:
    end = time.monotonic() + NO_NEW_BATCH_AFTER_S
    try:
        if _is_due(settings):
            push_runs(settings, _now, lambda _done: time.monotonic() < end)
    except ProbeClashError as error:
        _log.warning("%s", error)
    except SpeedmonError as error:
        _log.info("%s", error)


def _is_due(settings: Settings) -> bool:
    with open_reader(settings.database.url) as connection:
        progress = read_progress(connection)
    return next_attempt_at(progress.failures, progress.failed_at, _now()) is None


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def pause_after_failures(failures: int) -> timedelta:
    """Return the time to wait after a number of consecutive failures."""
    # 2**6 minutes exceed LONGEST_PAUSE already; 2**10_000 would overflow a timedelta.
    return min(FIRST_PAUSE * 2 ** min(failures - 1, 6), LONGEST_PAUSE) if failures else timedelta(0)


def next_attempt_at(failures: int, failed_at: datetime | None, now: datetime) -> datetime | None:
    """Return when the next attempt is due, None if now; a failure in the future (clock set back) does not delay it."""
    if failed_at is None or failed_at > now:
        return None
    due_at = failed_at + pause_after_failures(failures)
    return due_at if due_at > now else None
