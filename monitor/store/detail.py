"""Reads one run with everything that is stored about it, for `speedmon show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from monitor.errors import UsageError
from monitor.model import Attempt, Plan, RawOutput
from monitor.store import blobs, read
from monitor.store.tables import findings, raw_output, runs, traces
from netns.findings import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from monitor.model import Trace
    from netns.findings import Findings

# A second match shows that the beginning of an id is ambiguous.
_ENOUGH = 2


def attempt(connection: Connection, beginning: str) -> Attempt:
    """Return the run whose id begins with a text.

    Raises:
        UsageError: no id begins with it, or more than one.
    """
    pk = _pk(connection, beginning)
    run = read.one(connection, pk)
    plan = connection.execute(select(*(runs.c[f"plan_{name}"] for name in Plan.__slots__)).where(runs.c.pk == pk)).one()
    return Attempt(run, Plan(*plan), _raw(connection, pk), _findings(connection, pk), _trace(connection, pk))


def findings_of(connection: Connection, run_id: str) -> Findings | None:
    """Return the findings of the diagnosis of a failed run; None if there was none."""
    pk = connection.scalar(select(runs.c.pk).where(runs.c.id == run_id))
    return None if pk is None else _findings(connection, pk)


def _pk(connection: Connection, beginning: str) -> int:
    query = select(runs.c.pk).where(runs.c.id.startswith(beginning, autoescape=True)).limit(_ENOUGH)
    pks: Sequence[int] = connection.scalars(query).all()
    if not pks:
        raise UsageError(f"no run's id begins with {beginning!r}: `speedmon history --json` lists them")
    if len(pks) > 1:
        raise UsageError(f"more than one run's id begins with {beginning!r}: give more characters")
    return pks[0]


def _raw(connection: Connection, pk: int) -> RawOutput:
    output = connection.scalar(select(raw_output.c.output).where(raw_output.c.run_pk == pk))
    return blobs.to_output(output) if output else RawOutput()


def _findings(connection: Connection, pk: int) -> Findings | None:
    document = connection.scalar(select(findings.c.document).where(findings.c.run_pk == pk))
    return decode(document.encode()) if document else None


def _trace(connection: Connection, pk: int) -> Trace | None:
    query = select(traces.c.interval_ms, traces.c.samples).where(traces.c.run_pk == pk)
    row = connection.execute(query).one_or_none()
    return blobs.to_trace(*row) if row else None
