"""Events: changes of the ISP and of the external address. They do not depend on the order in which runs are stored.

Engines name an ISP differently, so names are compared within one engine, and addresses within one IP family. Runs with
doubtful results, such as those that took the wrong path, are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from monitor.model import NetworkPath
from monitor.store import rollups
from monitor.store.tables import events, isps, probes, runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Column, Connection, Row, Select


# By kind of event: the column whose equal values are compared with each other, and the column that is watched.
_WATCHED: dict[str, tuple[Column[Any], Column[Any]]] = {
    "isp": (runs.c.engine, isps.c.name),
    "external_ip": (runs.c.ip_family, runs.c.external_ip),
}

_OLDEST_FIRST = (runs.c.started_at, runs.c.pk)

# Rows that the driver holds at a time.
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class LineEvent:
    """A change of `kind` (isp, external_ip), with both values; the run that started `at` was the first to see it."""

    at: datetime
    probe: str
    path: NetworkPath
    kind: str
    before: str | None
    after: str | None


def update_events(connection: Connection, probe_pk: int, path: NetworkPath, since: int, until: int) -> None:
    """Record again the events of the runs that started in [since, until] (epoch seconds) and of the next ones."""
    for kind in _WATCHED:
        _ValueHistory(connection, kind, probe_pk, path).note(since, until)


def update_events_around(connection: Connection, probe_pk: int, path: NetworkPath, run_pk: int) -> None:
    """Record again the events of a run that was excluded or counts again, and those of the runs that follow it."""
    for kind in _WATCHED:
        _ValueHistory(connection, kind, probe_pk, path).note_around(run_pk)


def read_events(connection: Connection, since: datetime, until: datetime) -> Iterator[LineEvent]:
    """Yield the events in [since, until), oldest first."""
    columns = (events.c.at, events.c.probe, events.c.path, events.c.kind, events.c.before, events.c.after)
    inside = (events.c.at >= int(since.timestamp()), events.c.at < int(until.timestamp()))
    for at, probe, path, kind, before, after in connection.execute(
        select(*columns).where(*inside).order_by(events.c.at, events.c.pk)
    ):
        yield LineEvent(datetime.fromtimestamp(at, UTC), probe, NetworkPath(path), kind, before, after)


class _ValueHistory:
    """The trusted runs of one probe and path that have a value of one kind."""

    def __init__(self, connection: Connection, kind: str, probe_pk: int, path: NetworkPath) -> None:
        self._connection, self._kind = connection, kind
        group, value = _WATCHED[kind]
        columns = (runs.c.pk, runs.c.started_at, probes.c.name.label("probe"), runs.c.path)
        conditions = (runs.c.probe_pk == probe_pk, runs.c.path == path, rollups.IS_TRUSTED, value.is_not(None))
        self._group = group
        everything: Select[Any] = select(*columns, group.label("group"), value.label("value")).select_from(
            runs.outerjoin(probes).outerjoin(isps)
        )
        self._all = everything
        self._runs = everything.where(*conditions)
        probe = select(probes.c.name).where(probes.c.pk == probe_pk).scalar_subquery()
        self._events = delete(events).where(events.c.kind == kind, events.c.probe == probe, events.c.path == path)

    def note(self, since: int, until: int) -> None:
        """Record again the events in [since, until], and those of the first runs after it."""
        pairs = list(self._changed(since, until))
        self._connection.execute(self._events.where(events.c.at >= since, events.c.at <= until))
        for _, after in pairs:
            self._connection.execute(self._events.where(events.c.run_pk == after.pk))
        rows = [self._event(before, after) for before, after in pairs if before and before.value != after.value]
        if rows:
            self._connection.execute(insert(events), rows)

    def note_around(self, run_pk: int) -> None:
        """Record again the events of a run, which need not be trusted, and of the next trusted one."""
        run = self._connection.execute(self._all.where(runs.c.pk == run_pk)).one()
        after = self._neighbour(run, later=True)
        self.note(run.started_at, after.started_at if after else run.started_at)

    def _changed(self, since: int, until: int) -> Iterator[tuple[Row[Any] | None, Row[Any]]]:
        """Yield pairs of consecutive runs with different values, and each pair that spans the end of the window."""
        inside = self._runs.where(runs.c.started_at >= since, runs.c.started_at <= until).order_by(*_OLDEST_FIRST)
        last: dict[Any, Row[Any]] = {}
        for row in self._connection.execute(inside, execution_options={"yield_per": _BATCH}):
            before = last[row.group] if row.group in last else self._neighbour(row, later=False)
            if before and before.value != row.value:
                yield before, row
            last[row.group] = row
        for row in last.values():
            if after := self._neighbour(row, later=True):
                yield row, after

    def _neighbour(self, this: Row[Any], *, later: bool) -> Row[Any] | None:
        """Return the next or the previous run of the same group."""
        same_group = self._runs.where(self._group == this.group)
        moment, pk = runs.c.started_at, runs.c.pk
        if later:
            beyond = (moment > this.started_at) | ((moment == this.started_at) & (pk > this.pk))
            query = same_group.where(moment >= this.started_at, beyond).order_by(moment, pk)
        else:
            beyond = (moment < this.started_at) | ((moment == this.started_at) & (pk < this.pk))
            query = same_group.where(moment <= this.started_at, beyond).order_by(moment.desc(), pk.desc())
        return self._connection.execute(query.limit(1)).one_or_none()

    def _event(self, before: Row[Any], after: Row[Any]) -> dict[str, Any]:
        return {
            "at": after.started_at,
            "probe": after.probe,
            "path": after.path,
            "kind": self._kind,
            "before": before.value,
            "after": after.value,
            "run_pk": after.pk,
        }
