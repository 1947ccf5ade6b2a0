"""Retention: removes what is older than the settings allow, in small transactions, so that no other writer waits long.

Runs are removed by whole UTC days, so that no roll-up loses some of its runs. Their roll-ups and packed days are frozen
and kept until they expire themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select, tuple_, update

from monitor.store import days, tables
from monitor.store.open import open_reader, open_writer
from monitor.store.tables import findings, packed_days, raw_output, runs, traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Select, Table

    from monitor.settings import Retention

DAY_S = 86_400
# Rows that are removed in one transaction.
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Due:
    """The number of rows of a kind that are from before a moment; `before` is None if the kind is kept for ever."""

    kind: str
    before: datetime | None
    rows: int


def due(url: str, retention: Retention, now: datetime) -> list[Due]:
    """Return how much has expired, by kind; changes nothing.

    Raises:
        StoreError: the database cannot be read.
    """
    with open_reader(url) as connection:
        return [_due(connection, kind, retention, now) for kind in _KINDS]


def prune(url: str, retention: Retention, now: datetime) -> list[Due]:
    """Remove what has expired; return how much that was, by kind.

    Raises:
        StoreError: the database cannot be written; what was removed before stays removed.
    """
    expired = due(url, retention, now)
    for kind in _KINDS:
        if kind == "runs":
            _freeze(url, _cuts(retention, now)["runs"])
        for table, old in _old(kind, _cuts(retention, now)):
            while _remove_some(url, table, old):
                pass
    return expired


_KINDS = ("raw output", "traces and findings", "runs", "roll-ups")


def _cuts(retention: Retention, now: datetime) -> dict[str, int]:
    """Return, for each kind, the moment (epoch seconds) before which it has expired; 0 if it is kept for ever."""
    today = int(now.timestamp())
    today -= today % DAY_S
    ages = (retention.raw_days, retention.details_days, retention.runs_days, retention.rollups_days)
    return {kind: today - age * DAY_S if age else 0 for kind, age in zip(_KINDS, ages, strict=True)}


def _old(kind: str, cuts: dict[str, int]) -> Iterator[tuple[Table, Select[Any]]]:
    """Yield each table of a kind with the query for the keys of its expired rows."""
    cut = cuts[kind]
    if kind == "runs":
        yield runs, select(runs.c.pk).where(runs.c.started_at < cut)
    elif kind == "roll-ups":
        for table, begin in ((tables.rollups, tables.rollups.c.start), (packed_days, packed_days.c.day)):
            # Those whose runs are kept would only be recomputed.
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
    """Mark the roll-ups and packed days of runs that are about to be removed: they can no longer be recomputed."""
    with open_writer(url) as connection:
        days.freeze(connection, cut)
        rollups = tables.rollups
        connection.execute(update(rollups).where(rollups.c.start < cut, ~rollups.c.frozen).values(frozen=True))
