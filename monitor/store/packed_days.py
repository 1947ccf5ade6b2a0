"""Packed days: the runs of a UTC day, probe and path in one row, lossless; all days but the newest of each are packed.

Whenever a run is stored, its day is packed again from all runs of it; the newest day is packed once there is a newer
one. A day whose runs were pruned is frozen. Packed days are read by `monitor.store.columnar`.

A column holds one integer for each run in order of time, little endian, all in the smallest of 1, 2, 4 or 8 bytes that
fits; it is empty if all are 0. `started` is in seconds from the beginning of the day, `lasted` in seconds from then;
`sort` is the index into `sorts`, a JSON array of the distinct attributes, of which the last two are left out where they
are null, and the last is true for an excluded run; the others are as in `monitor.analysis.metrics`. To change the
format, write a migration.
"""

from __future__ import annotations

import heapq
import sys
from array import array
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, func, select, update

from monitor.analysis.metrics import UNITS, to_stored
from monitor.store.lookups import insert_if_new
from monitor.store.tables import decode_remarks, packed_days, rollups, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from monitor.model import NetworkPath


DAY_S = 86_400

# The columns of a run that form an entry of `sorts`, in its order; of the remarks it contains the kinds.
ATTRIBUTE_COLUMNS = (
    "status",
    "engine",
    "healthy",
    "failure_kind",
    "failure_scope",
    "ip_family",
    "isp_pk",
    "server_pk",
    "plan_download_bps",
    "plan_upload_bps",
    "plan_latency_ms",
    "remarks",
    "line_answered",
    "excluded",
)

# The columns of a run that are packed, in the order that `pack_day` expects.
PACKED_COLUMNS = ("started_at", "finished_at", *ATTRIBUTE_COLUMNS, *UNITS)

_FIRST_NUMBER = len(PACKED_COLUMNS) - len(UNITS)

# Rows that the driver holds at a time.
_BATCH = 1000

# Days, of some KiB each, that are inserted together; series of days that are read one by one.
_DAYS_TO_INSERT, _MAX_SERIES = 50, 16

_SAME_DAY = and_(
    packed_days.c.day == rollups.c.start,
    packed_days.c.probe_pk == rollups.c.probe_pk,
    packed_days.c.path == rollups.c.path,
)

_ARRAY_TYPES = {size: next(code for code in "BHILQ" if array(code).itemsize == size) for size in (1, 2, 4, 8)}


def repack_days(connection: Connection, probe_pk: int, path: NetworkPath, since: int, until: int) -> None:
    """Update the days of the runs that started in [since, until] (epoch seconds). The roll-ups must be up to date."""
    first, last = since - since % DAY_S, until - until % DAY_S
    of_pair = (rollups.c.probe_pk == probe_pk, rollups.c.path == path, rollups.c.span == DAY_S)
    newest_two = select(rollups.c.start, packed_days.c.day).outerjoin(packed_days, _SAME_DAY).where(*of_pair)
    (newest, packed), *before = connection.execute(newest_two.order_by(rollups.c.start.desc()).limit(2)).all()
    if first == newest and packed is None and all(packed is not None for _, packed in before):
        return  # the usual case: one more run of the newest day
    _delete_days(connection, probe_pk, path, first, last)
    earlier = connection.scalar(select(func.max(rollups.c.start)).where(*of_pair, rollups.c.start < first))
    changed = rollups.c.start.between(first if earlier is None else earlier, last)
    _insert_packed_days(connection, find_unpacked_days(connection, *of_pair, changed, rollups.c.start < newest))


def _delete_days(connection: Connection, probe_pk: int, path: NetworkPath, first: int, last: int) -> None:
    days = packed_days.c.day.between(first, last)
    of_pair = (packed_days.c.probe_pk == probe_pk, packed_days.c.path == path)
    connection.execute(delete(packed_days).where(days, *of_pair, ~packed_days.c.frozen))


def find_unpacked_days(connection: Connection, *where: ColumnElement[bool]) -> dict[tuple[int, NetworkPath], list[int]]:
    """Return the days, of the roll-ups that fulfil the conditions, that are not packed, by probe and path."""
    query = (
        select(rollups.c.probe_pk, rollups.c.path, rollups.c.start)
        .outerjoin(packed_days, _SAME_DAY)
        .where(rollups.c.span == DAY_S, packed_days.c.day.is_(None), *where)
    )
    days: dict[tuple[int, NetworkPath], list[int]] = {}
    for probe_pk, path, day in connection.execute(query):
        days.setdefault((probe_pk, path), []).append(day)
    return days


def pack_days(
    connection: Connection, probe_pk: int, path: NetworkPath, days: Iterable[int]
) -> Iterator[dict[str, Any]]:
    """Yield some days as packed rows, oldest first, without those that have no runs."""
    wanted = {*days}
    series = [*_consecutive_days(wanted)]
    # Where tests are days apart, one query for all days is quicker.
    for since, until in series if len(series) <= _MAX_SERIES else [(series[0][0], series[-1][1])]:
        query = _runs_query(probe_pk, path).where(runs.c.started_at >= since, runs.c.started_at < until)
        packed = _pack_rows(connection, probe_pk, path, query)
        yield from (row for row in packed if row["day"] in wanted)


def freeze_days(connection: Connection, cut: int) -> None:
    """Pack all days before `cut` (epoch seconds), whose runs are about to be pruned, and freeze them."""
    _insert_packed_days(connection, find_unpacked_days(connection, rollups.c.start < cut))
    connection.execute(update(packed_days).where(packed_days.c.day < cut, ~packed_days.c.frozen).values(frozen=True))


def rebuild_days(connection: Connection) -> None:
    """Pack all days again, except those whose runs were pruned."""
    connection.execute(delete(packed_days).where(~packed_days.c.frozen))
    for (probe_pk, path), newest in _newest_days(connection).items():
        older = _runs_query(probe_pk, path).where(runs.c.started_at < newest)
        _insert_days(connection, _pack_rows(connection, probe_pk, path, older))


def count_mismatches(connection: Connection) -> int:
    """Return how many packed days are missing, have no runs, or do not match their runs."""
    newest = _newest_days(connection)
    packed = select(packed_days.c.probe_pk, packed_days.c.path).distinct()
    pairs = {*newest, *(tuple(row) for row in connection.execute(packed))}
    return sum(_count_pair_mismatches(connection, *pair, newest=newest.get(pair)) for pair in pairs)


def _count_pair_mismatches(connection: Connection, probe_pk: int, path: NetworkPath, *, newest: int | None) -> int:
    of_pair = (packed_days.c.probe_pk == probe_pk, packed_days.c.path == path)
    query = select(packed_days).where(*of_pair).order_by(packed_days.c.day)
    stored = (dict(row) for row in connection.execute(query, execution_options={"yield_per": _BATCH}).mappings())
    expected = _pack_rows(connection, probe_pk, path, _runs_query(probe_pk, path))
    by_day = groupby(heapq.merge(stored, expected, key=_day_of_row), key=_day_of_row)
    return sum(not _rows_agree(list(rows), is_newest=day == newest) for day, rows in by_day)


def _rows_agree(rows: list[dict[str, Any]], *, is_newest: bool) -> bool:
    """Return whether a day is packed correctly, given its stored and expected rows; the newest may be missing."""
    frozen = [row.pop("frozen") for row in rows if "frozen" in row]
    if any(frozen):
        return True
    return rows[0] == rows[-1] if len(rows) > 1 else is_newest and not frozen


def _day_of_row(row: dict[str, Any]) -> int:
    day: int = row["day"]
    return day


def _newest_days(connection: Connection) -> dict[tuple[int, NetworkPath], int]:
    """Return the newest day of each probe and path that has runs."""
    latest = select(runs.c.probe_pk, runs.c.path, func.max(runs.c.started_at)).group_by(runs.c.probe_pk, runs.c.path)
    return {(probe_pk, path): at - at % DAY_S for probe_pk, path, at in connection.execute(latest)}


def _insert_packed_days(connection: Connection, days: dict[tuple[int, NetworkPath], list[int]]) -> None:
    for pair, of_pair in days.items():
        _insert_days(connection, pack_days(connection, *pair, of_pair))


def _insert_days(connection: Connection, rows: Iterator[dict[str, Any]]) -> None:
    statement = insert_if_new(connection, packed_days)
    while batch := [row | {"frozen": False} for row in islice(rows, _DAYS_TO_INSERT)]:
        connection.execute(statement, batch)


def _consecutive_days(days: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the start and the end (exclusive) of each series of consecutive days."""
    for _, group in groupby(enumerate(sorted(days)), key=lambda numbered: numbered[1] - DAY_S * numbered[0]):
        consecutive = [day for _, day in group]
        yield consecutive[0], consecutive[-1] + DAY_S


def _runs_query(probe_pk: int, path: NetworkPath) -> Select[Any]:
    columns = (runs.c[name] for name in PACKED_COLUMNS)
    query = select(*columns).where(runs.c.probe_pk == probe_pk, runs.c.path == path)
    return query.order_by(runs.c.started_at, runs.c.pk)


def _pack_rows(
    connection: Connection, probe_pk: int, path: NetworkPath, query: Select[Any]
) -> Iterator[dict[str, Any]]:
    rows = connection.execute(query, execution_options={"yield_per": _BATCH})
    for _day, of_day in groupby(rows, key=lambda row: row[0] // DAY_S):
        yield {"probe_pk": probe_pk, "path": path, **pack_day(list(of_day))}


def pack_day(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return the row of a packed day without probe and path; `rows` are at least one run, in order of time."""
    columns = list(zip(*rows, strict=True))
    started, finished = columns[0], columns[1]
    day = started[0] - started[0] % DAY_S
    sorts, places = _encode_attributes(list(zip(*columns[2:_FIRST_NUMBER], strict=True)))
    numbers = zip(UNITS.items(), columns[_FIRST_NUMBER:], strict=True)
    return {
        "day": day,
        "runs": len(rows),
        "sorts": sorts,
        "started": pack_integers([moment - day for moment in started]),
        "lasted": pack_integers([end - begin for begin, end in zip(started, finished, strict=True)]),
        "sort": pack_integers(places),
        **{name: pack_integers([to_stored(value, unit) for value in values]) for (name, unit), values in numbers},
    }


def pack_integers(values: Iterable[int]) -> bytes:
    """Return non-negative integers as a column."""
    integers = list(values)
    highest = max(integers, default=0)
    if not highest:
        return b""
    packed = array(next(code for size, code in _ARRAY_TYPES.items() if highest < 1 << 8 * size), integers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _encode_attributes(attributes: Sequence[tuple[Any, ...]]) -> tuple[str, list[int]]:
    """Return `sorts`, ordered by its content, and the index of each run's attributes in it."""
    encoded = {one: _attributes_json(one) for one in set(attributes)}
    places = {text: place for place, text in enumerate(sorted(set(encoded.values())))}
    return f"[{','.join(places)}]", [places[encoded[one]] for one in attributes]


def _attributes_json(attributes: tuple[Any, ...]) -> str:
    *plain, remarks, answered, excluded = attributes
    kinds = [remark.kind for remark in decode_remarks(remarks)]
    last = (answered, True) if excluded is not None else () if answered is None else (answered,)
    return msgspec.json.encode((*plain, kinds, *last)).decode()
