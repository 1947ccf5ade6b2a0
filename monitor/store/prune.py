"""Retention: what is older than the settings keep it, and its removal in small steps, so that nobody waits long.

Runs go by whole days in UTC, so that no roll-up loses a part of them; their roll-ups and packed days stay, frozen,
until their own age.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select, tuple_, update

from monitor.store import days
from monitor.store.open import open_reader, open_writer
from monitor.store.tables import findings, packed_days, raw_output, rollups, runs, traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Select, Table

    from monitor.settings import Retention

DAY_S = 86_400
# Rows that one transaction removes.
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Due:
    """So many rows of a kind are from before a moment; `before` is None where the kind is kept for ever."""

    kind: str
    before: datetime | None
    rows: int


def due(url: str, retention: Retention, now: datetime) -> list[Due]:
    """Return what is older than it is kept; changes nothing.

    Raises:
        StoreError: the database cannot be read.
    """
    with open_reader(url) as connection:
        return [_due(connection, kind, retention, now) for kind in _KINDS]


def prune(url: str, retention: Retention, now: datetime) -> list[Due]:
    """Remove what is older than it is kept; return what that was.

    Raises:
        StoreError: the database cannot be written; what was removed before stays removed.
    """
    found = due(url, retention, now)
    for kind in _KINDS:
        if kind == "runs":
            _freeze(url, _cuts(retention, now)["runs"])
        for table, old in _old(kind, _cuts(retention, now)):
            while _remove_some(url, table, old):
                pass
    return found


_KINDS = ("raw output", "traces and findings", "runs", "roll-ups")


def _cuts(retention: Retention, now: datetime) -> dict[str, int]:
    """Return the moment before which each kind is old; 0 where it is kept for ever."""
    today = int(now.timestamp())
    today -= today % DAY_S
    ages = (retention.raw_days, retention.details_days, retention.runs_days, retention.rollups_days)
    return {kind: today - age * DAY_S if age else 0 for kind, age in zip(_KINDS, ages, strict=True)}


def _old(kind: str, cuts: dict[str, int]) -> Iterator[tuple[Table, Select[Any]]]:
    """Yield each table of a kind with the query for its old rows."""
    cut = cuts[kind]
    if kind == "runs":
        yield runs, select(runs.c.pk).where(runs.c.started_at < cut)
    elif kind == "roll-ups":
        for table, begin in ((rollups, rollups.c.start), (packed_days, packed_days.c.day)):
            # Those whose runs stay would only be made anew.
            without_runs = or_(table.c.frozen, begin < cuts["runs"])
            yield table, select(*table.primary_key).where(begin < cut, without_runs)
    else:
        for table in (raw_output,) if kind == "raw output" else (traces, findings):
            yield table, select(table.c.run_pk).join(runs).where(runs.c.started_at < cut)


def _due(connection: Connection, kind: str, retention: Retention, now: datetime) -> Due:
    cuts = _cuts(retention, now)
    before = datetime.fromtimestamp(cuts[kind], UTC) if cuts[kind] else None
    counts = (
        connection.scalar(select(func.count()).select_from(old.subquery())) or 0
        for _table, old in _old(kind, cuts)
        if before
    )
    return Due(kind, before, sum(counts))


def _remove_some(url: str, table: Table, old: Select[Any]) -> int:
    with open_writer(url) as connection:
        keys = tuple_(*table.primary_key)
        return connection.execute(delete(table).where(keys.in_(old.limit(_BATCH)))).rowcount


def _freeze(url: str, cut: int) -> None:
    """Mark the roll-ups and packed days of runs that are about to go: they cannot be made anew any more."""
    with open_writer(url) as connection:
        days.freeze(connection, cut)
        connection.execute(update(rollups).where(rollups.c.start < cut, ~rollups.c.frozen).values(frozen=True))
