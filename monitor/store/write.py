"""Writes: one attempt at a time, inside the transaction of `open_writer`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from monitor.errors import StoreRejectedError
from monitor.store import blobs, changes, read
from monitor.store.tables import findings, raw_output, runs, traces
from netns.findings import encode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from monitor.model import Attempt, Failure, Plan, Server


def add(connection: Connection, attempt: Attempt) -> None:
    """Store an attempt with its plan and the engine's output; one that is stored already stays as it is.

    Raises:
        StoreRejectedError: a value that the schema refuses, such as a negative rate.
    """
    if connection.scalar(select(runs.c.pk).where(runs.c.id == attempt.run.id)) is not None:
        return
    try:
        run_pk = connection.scalar(insert(runs).values(**columns_of(attempt)).returning(runs.c.pk))
    except (IntegrityError, OverflowError) as error:
        reason = error.orig if isinstance(error, IntegrityError) else error
        raise StoreRejectedError(f"run {attempt.run.id} does not fit the store: {reason}") from error
    assert run_pk is not None  # noqa: S101  a row that was inserted has one
    _add_beside(connection, run_pk, attempt)
    changes.note(connection, run_pk)


def add_many(connection: Connection, attempts: Iterable[Attempt]) -> tuple[int, int]:
    """Store attempts; return how many were stored, and how many were there already and stay as they are.

    Raises:
        StoreRejectedError: a value that the schema refuses; the message names the run.
    """
    before = read.count(connection)
    given = 0
    for attempt in attempts:
        add(connection, attempt)
        given += 1
    stored = read.count(connection) - before
    return stored, given - stored


def _add_beside(connection: Connection, run_pk: int, attempt: Attempt) -> None:
    connection.execute(insert(raw_output).values(run_pk=run_pk, **dataclasses.asdict(attempt.raw)))
    if attempt.findings is not None:
        connection.execute(insert(findings).values(run_pk=run_pk, document=encode(attempt.findings).decode()))
    if attempt.trace is not None:
        connection.execute(insert(traces).values(run_pk=run_pk, **blobs.from_trace(attempt.trace)))


def columns_of(attempt: Attempt) -> dict[str, Any]:
    """Return the row of an attempt in `runs`, without its pk."""
    run = attempt.run
    row = {
        field.name: getattr(run, field.name)
        for field in dataclasses.fields(run)
        if field.name not in {"server", "failure", "remarks"}
    }
    row["remarks"] = blobs.from_remarks(run.remarks)
    row["started_at"], row["finished_at"] = _epoch(run.started_at), _epoch(run.finished_at)
    return row | _flat("server", run.server) | _flat("failure", run.failure) | _flat("plan", attempt.plan)


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _flat(prefix: str, part: Server | Failure | Plan | None) -> dict[str, Any]:
    if part is None:
        return {}
    return {f"{prefix}_{field.name}": getattr(part, field.name) for field in dataclasses.fields(part)}
