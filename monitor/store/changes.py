"""Events: the ISP or the external address is another than before. Right whatever the order in which runs are stored.

Engines name an ISP differently, so names are compared within one engine; addresses within one family. Runs whose
numbers are doubtful, such as those that took another way, change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from monitor.model import Path, Status
from monitor.store.tables import events, runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row, Select

# What is watched, and the column within whose values it is compared.
_WATCHED = {"isp": "engine", "external_ip": "ip_family"}


@dataclass(frozen=True, slots=True)
class Event:
    """A change of `kind` (isp, external_ip), with the values before and after; the run that began at `at` showed it."""

    at: datetime
    probe: str
    path: Path
    kind: str
    before: str | None
    after: str | None


def note(connection: Connection, pk: int) -> None:
    """Record what a stored run shows to have changed, and correct what the run after it had been compared with."""
    for kind in _WATCHED:
        this = connection.execute(_fit(kind).where(runs.c.pk == pk)).one_or_none()
        if this is None:
            continue
        _compare(connection, kind, _neighbour(connection, kind, this, later=False), this)
        if later := _neighbour(connection, kind, this, later=True):
            _compare(connection, kind, this, later)


def of_window(connection: Connection, since: datetime, until: datetime) -> Iterator[Event]:
    """Yield the events in [since, until), oldest first."""
    columns = (events.c.at, events.c.probe, events.c.path, events.c.kind, events.c.before, events.c.after)
    inside = (events.c.at >= int(since.timestamp()), events.c.at < int(until.timestamp()))
    for at, probe, path, kind, before, after in connection.execute(
        select(*columns).where(*inside).order_by(events.c.at, events.c.pk)
    ):
        yield Event(datetime.fromtimestamp(at, UTC), probe, Path(path), kind, before, after)


def _fit(kind: str) -> Select[tuple[Any, ...]]:
    """Return the statement for the runs that tell the value and can be trusted."""
    group = runs.c[_WATCHED[kind]].label("group")
    found = select(runs.c.pk, runs.c.started_at, runs.c.probe, runs.c.path, group, runs.c[kind].label("value"))
    return found.where(runs.c.status == Status.OK, runs.c.healthy.is_not(False), runs.c[kind].is_not(None))


def _neighbour(connection: Connection, kind: str, this: Row[Any], *, later: bool) -> Row[Any] | None:
    group = runs.c[_WATCHED[kind]]
    alike = _fit(kind).where(runs.c.probe == this.probe, runs.c.path == this.path, group == this.group)
    moment, pk = runs.c.started_at, runs.c.pk
    if later:
        beyond = (moment > this.started_at) | ((moment == this.started_at) & (pk > this.pk))
        found = alike.where(beyond).order_by(moment, pk)
    else:
        beyond = (moment < this.started_at) | ((moment == this.started_at) & (pk < this.pk))
        found = alike.where(beyond).order_by(moment.desc(), pk.desc())
    return connection.execute(found.limit(1)).one_or_none()


def _compare(connection: Connection, kind: str, before: Row[Any] | None, after: Row[Any]) -> None:
    connection.execute(delete(events).where(events.c.run_pk == after.pk, events.c.kind == kind))
    if before is None or before.value == after.value:
        return
    connection.execute(
        insert(events).values(
            at=after.started_at,
            probe=after.probe,
            path=after.path,
            kind=kind,
            before=before.value,
            after=after.value,
            run_pk=after.pk,
        )
    )
