"""Packed days: the runs of a UTC day, probe and path, packed into one row; all days but the newest of each are packed.

Whenever a run is stored, its day is packed again from all runs of it; the newest day is packed once there is a newer
one. A day whose runs were pruned is frozen. Reading is in `monitor.store.packed`.
"""

from __future__ import annotations

import heapq
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, select, update

from monitor.store.names import insert_new
from monitor.store.packing import DAY_S, ROW, pack
from monitor.store.tables import packed_days, rollups, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement, Connection, Select

    from monitor.model import Path

_BATCH = 1000
_SAME_DAY = and_(
    packed_days.c.day == rollups.c.start,
    packed_days.c.probe_pk == rollups.c.probe_pk,
    packed_days.c.path == rollups.c.path,
)


def repack(connection: Connection, probe_pk: int, path: Path, since: int, until: int) -> None:
    """Update the days of the runs that started in [since, until] (epoch seconds). The roll-ups must be up to date."""
    first, last = since - since % DAY_S, until - until % DAY_S
    of_pair = (rollups.c.probe_pk == probe_pk, rollups.c.path == path, rollups.c.span == DAY_S)
    newest_two = select(rollups.c.start, packed_days.c.day).outerjoin(packed_days, _SAME_DAY).where(*of_pair)
    (newest, packed), *before = connection.execute(newest_two.order_by(rollups.c.start.desc()).limit(2)).all()
    if first == newest and packed is None and all(packed is not None for _, packed in before):
        return  # the usual case: one more run of the newest day
    _forget(connection, probe_pk, path, first, last)
    earlier = connection.scalar(select(func.max(rollups.c.start)).where(*of_pair, rollups.c.start < first))
    changed = rollups.c.start.between(first if earlier is None else earlier, last)
    _pack_all(connection, unpacked(connection, *of_pair, changed, rollups.c.start < newest))


def _forget(connection: Connection, probe_pk: int, path: Path, first: int, last: int) -> None:
    days = packed_days.c.day.between(first, last)
    of_pair = (packed_days.c.probe_pk == probe_pk, packed_days.c.path == path)
    connection.execute(delete(packed_days).where(days, *of_pair, ~packed_days.c.frozen))


def unpacked(connection: Connection, *where: ColumnElement[bool]) -> dict[tuple[int, Path], list[int]]:
    """Return the days, of the roll-ups that fulfil the conditions, that are not packed, by probe and path."""
    query = (
        select(rollups.c.probe_pk, rollups.c.path, rollups.c.start)
        .outerjoin(packed_days, _SAME_DAY)
        .where(rollups.c.span == DAY_S, packed_days.c.day.is_(None), *where)
    )
    days: dict[tuple[int, Path], list[int]] = {}
    for probe_pk, path, day in connection.execute(query):
        days.setdefault((probe_pk, path), []).append(day)
    return days


def packs(connection: Connection, probe_pk: int, path: Path, days: Iterable[int]) -> Iterator[dict[str, Any]]:
    """Yield some days as packed rows, oldest first, without those that have no runs."""
    for since, until in _stretches(days):
        query = _rows(probe_pk, path).where(runs.c.started_at >= since, runs.c.started_at < until)
        yield from _packed(connection, probe_pk, path, query)


def freeze(connection: Connection, cut: int) -> None:
    """Pack all days before `cut` (epoch seconds), whose runs are about to be pruned, and freeze them."""
    _pack_all(connection, unpacked(connection, rollups.c.start < cut))
    connection.execute(update(packed_days).where(packed_days.c.day < cut, ~packed_days.c.frozen).values(frozen=True))


def rebuild(connection: Connection) -> None:
    """Pack all days again, except those whose runs were pruned."""
    connection.execute(delete(packed_days).where(~packed_days.c.frozen))
    for (probe_pk, path), newest in _newest(connection).items():
        older = _rows(probe_pk, path).where(runs.c.started_at < newest)
        _put(connection, _packed(connection, probe_pk, path, older))


def wrong(connection: Connection) -> int:
    """Return how many packed days are missing, have no runs, or do not match their runs."""
    newest = _newest(connection)
    packed = select(packed_days.c.probe_pk, packed_days.c.path).distinct()
    pairs = {*newest, *(tuple(row) for row in connection.execute(packed))}
    return sum(_wrong_of(connection, *pair, newest=newest.get(pair)) for pair in pairs)


def _wrong_of(connection: Connection, probe_pk: int, path: Path, *, newest: int | None) -> int:
    of_pair = (packed_days.c.probe_pk == probe_pk, packed_days.c.path == path)
    query = select(packed_days).where(*of_pair).order_by(packed_days.c.day)
    stored = (dict(row) for row in connection.execute(query, execution_options={"yield_per": _BATCH}).mappings())
    expected = _packed(connection, probe_pk, path, _rows(probe_pk, path))
    by_day = groupby(heapq.merge(stored, expected, key=_day), key=_day)
    return sum(not _agree(list(rows), is_newest=day == newest) for day, rows in by_day)


def _agree(rows: list[dict[str, Any]], *, is_newest: bool) -> bool:
    """Return whether a day is packed correctly, given its stored and expected rows; the newest may be missing."""
    frozen = [row.pop("frozen") for row in rows if "frozen" in row]
    if any(frozen):
        return True
    return rows[0] == rows[-1] if len(rows) > 1 else is_newest and not frozen


def _day(row: dict[str, Any]) -> int:
    day: int = row["day"]
    return day


def _newest(connection: Connection) -> dict[tuple[int, Path], int]:
    """Return the newest day of each probe and path that has runs."""
    latest = select(runs.c.probe_pk, runs.c.path, func.max(runs.c.started_at)).group_by(runs.c.probe_pk, runs.c.path)
    return {(probe_pk, path): at - at % DAY_S for probe_pk, path, at in connection.execute(latest)}


def _pack_all(connection: Connection, days: dict[tuple[int, Path], list[int]]) -> None:
    for pair, of_pair in days.items():
        _put(connection, packs(connection, *pair, of_pair))


def _put(connection: Connection, rows: Iterator[dict[str, Any]]) -> None:
    for row in rows:
        connection.execute(insert_new(connection, packed_days), row | {"frozen": False})


def _stretches(days: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the start and the end (exclusive) of each series of consecutive days."""
    for _, group in groupby(enumerate(sorted(days)), key=lambda numbered: numbered[1] - DAY_S * numbered[0]):
        consecutive = [day for _, day in group]
        yield consecutive[0], consecutive[-1] + DAY_S


def _rows(probe_pk: int, path: Path) -> Select[Any]:
    columns = (runs.c[name] for name in ROW)
    query = select(*columns).where(runs.c.probe_pk == probe_pk, runs.c.path == path)
    return query.order_by(runs.c.started_at, runs.c.pk)


def _packed(connection: Connection, probe_pk: int, path: Path, query: Select[Any]) -> Iterator[dict[str, Any]]:
    rows = connection.execute(query, execution_options={"yield_per": _BATCH})
    for _day, of_day in groupby(rows, key=lambda row: row[0] // DAY_S):
        yield {"probe_pk": probe_pk, "path": path, **pack(list(of_day))}
