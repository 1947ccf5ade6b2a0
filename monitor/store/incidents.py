"""The outages of a window without reading all of its runs: hourly roll-ups say where the line failed.

`monitor.analysis.outages` decides what an outage is; here are only the runs chosen that it needs.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby
from typing import TYPE_CHECKING

from sqlalchemy import select

from monitor.analysis.outages import LineState, find_incidents, run_state
from monitor.model import NetworkPath
from monitor.store.read import read_runs, to_epoch
from monitor.store.tables import ROLLUP_SPANS_S, rollups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from monitor.analysis.outages import Incident
    from monitor.model import Run
    from monitor.store.read import RunFilter


HOUR_S = ROLLUP_SPANS_S[0]

_SECOND = timedelta(seconds=1)

_EPOCH = datetime.fromtimestamp(0, UTC)


def read_incidents(connection: Connection, selection: RunFilter, *, most_hours: int | None = None) -> list[Incident]:
    """Return the outages with a failed test among the selected runs, newest first.

    One that began before the window begins when it did.

    Args:
        connection: of the store.
        selection: the runs.
        most_hours: only outages with a failed test in the newest so many hours with one; None: all.
    """
    by_source = groupby(_failed_hours(connection, selection, most_hours), key=lambda row: row[:2])
    incidents: list[Incident] = []
    for (probe_pk, path), rows in by_source:
        hours = [hour for *_, hour in rows]
        source = replace(selection, probes=(probe_pk,), path=NetworkPath(path))
        before, since = _runs_of_earlier_outage(connection, source)
        later = _relevant_runs(connection, replace(source, since=since), hours)
        oldest = max(selection.since, datetime.fromtimestamp(hours[0], UTC))
        outages = find_incidents(chain(before, later))
        incidents += (outage for outage in outages if outage.last_failed and outage.last_failed >= oldest)
    return sorted(incidents, key=lambda incident: incident.began, reverse=True)


def _failed_hours(connection: Connection, selection: RunFilter, most: int | None) -> list[tuple[int, str, int]]:
    """Return probe, path and start of the hours in which the line failed, by source and time."""
    since, until = to_epoch(selection.since), to_epoch(selection.until)
    query = select(rollups.c.probe_pk, rollups.c.path, rollups.c.start).where(
        rollups.c.span == HOUR_S, rollups.c.start > since - HOUR_S, rollups.c.start < until, rollups.c.failed_line > 0
    )
    if selection.probes:
        query = query.where(rollups.c.probe_pk.in_(selection.probes))
    if selection.path is not None:
        query = query.where(rollups.c.path == selection.path)
    return sorted(
        (pk, path, at) for pk, path, at in connection.execute(query.order_by(rollups.c.start.desc()).limit(most))
    )


def _runs_of_earlier_outage(connection: Connection, source: RunFilter) -> tuple[list[Run], datetime]:
    """Return the last proof before the window, the runs of an outage in which the window begins, and where those end.

    Runs that prove nothing are left out; all are of one source, oldest first.
    """
    runs: list[Run] = []
    with closing(
        read_runs(connection, replace(source, since=_EPOCH, until=source.since), newest_first=True)
    ) as earlier:
        for run in earlier:
            runs += [run] if run_state(run) is not LineState.SILENT else []
            if run_state(run) is LineState.UP:
                break
    runs.reverse()
    if not runs or run_state(runs[-1]) is LineState.UP:
        return runs, source.since
    with closing(read_runs(connection, source)) as within:
        for run in within:
            runs.append(run)
            if run_state(run) is LineState.UP:
                return runs, run.started_at + _SECOND
    return runs, source.until


def _relevant_runs(connection: Connection, selection: RunFilter, hours: Sequence[int]) -> Iterator[Run]:
    """Yield the runs of one source from which its outages follow: those of the hours, and the proofs around them."""
    done = selection.since
    for hour in hours:
        begin, end = (datetime.fromtimestamp(at, UTC) for at in (hour, hour + HOUR_S))
        if end <= done:
            continue
        if begin > done:
            yield from _last_proof(connection, replace(selection, since=done, until=begin))
        rest = replace(selection, since=max(begin, done))
        done = selection.until
        with closing(read_runs(connection, rest)) as runs:
            for run in runs:
                yield run
                if run.started_at >= end and run_state(run) is LineState.UP:
                    done = run.started_at + _SECOND
                    break


def _last_proof(connection: Connection, selection: RunFilter) -> Iterator[Run]:
    """Yield the newest run that proves that the line worked."""
    with closing(read_runs(connection, selection, newest_first=True)) as runs:
        proof = next((run for run in runs if run_state(run) is LineState.UP), None)
    if proof:
        yield proof
