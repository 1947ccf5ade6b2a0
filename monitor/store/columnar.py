"""Runs of any window as NumPy columns, read from packed days and, for days that are not packed, from their runs.

The latter are packed while they are read, so that there is only one way to unpack. Columns are filled in place, which
takes hardly any memory beyond the columns themselves.
"""

from __future__ import annotations

import heapq
from contextlib import closing
from dataclasses import fields
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from sqlalchemy import ColumnElement, and_, func, select

from monitor.analysis.columns import Columns, RunAttributes, to_smallest_type
from monitor.errors import StoreError
from monitor.model import HARMLESS_DOUBTS, FailureKind, NetworkPath, Plan, Scope, Server, Status
from monitor.store.packed_days import DAY_S, find_unpacked_days, pack_days
from monitor.store.read import to_epoch
from monitor.store.tables import isps, packed_days, probes, rollups, servers

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from monitor.store.read import RunFilter


# Packed days that the driver holds at a time.
_BATCH = 100

_COMMON_COLUMNS = ("started", "lasted", "sort")

_SERVER_COLUMNS = [servers.c[field.name] for field in fields(Server)]

_day_of_row = itemgetter("day")

_ENTRY_DECODER = msgspec.json.Decoder(list[msgspec.Raw])


def read_columns(connection: Connection, selection: RunFilter, names: Collection[str]) -> Columns:
    """Return the selected runs as columns with the numbers named, oldest first, including pruned runs.

    A million runs take 0.2 s, and 20 bytes each.

    Raises:
        StoreError: a packed day is damaged.
    """
    since, until = to_epoch(selection.since), to_epoch(selection.until)
    probe_pks = set(selection.probes or connection.scalars(select(probes.c.pk)))
    paths = {selection.path} if selection.path else {*NetworkPath}

    def condition(table: Any, day: ColumnElement[int]) -> ColumnElement[bool]:
        inside = and_(day > since - DAY_S, day < until)
        return and_(inside, table.c.probe_pk.in_(probe_pks), table.c.path.in_(paths))

    missing = _pack_missing_days(connection, condition(rollups, rollups.c.start))
    inside = condition(packed_days, packed_days.c.day)
    most = connection.scalar(select(func.sum(packed_days.c.runs)).where(inside)) or 0
    builder = _ColumnBuilder(_AttributeTable(connection), names, most + sum(row["runs"] for row in missing))
    with closing(_read_packed_days(connection, names, inside)) as stored:
        for day, rows in groupby(heapq.merge(stored, missing, key=_day_of_row), key=_day_of_row):
            builder.add(day, rows, since, until)
    return builder.columns()


def _pack_missing_days(connection: Connection, where: ColumnElement[bool]) -> list[dict[str, Any]]:
    packed = (pack_days(connection, *pair, days) for pair, days in find_unpacked_days(connection, where).items())
    return sorted(chain.from_iterable(packed), key=_day_of_row)


def _read_packed_days(
    connection: Connection, names: Collection[str], where: ColumnElement[bool]
) -> Generator[dict[str, Any]]:
    columns = ("day", "probe_pk", "path", "runs", "sorts", *_COMMON_COLUMNS, *names)
    query = select(*(packed_days.c[name] for name in columns)).where(where).order_by(packed_days.c.day)
    with connection.execute(query, execution_options={"yield_per": _BATCH}) as rows:
        yield from (dict(zip(columns, row, strict=True)) for row in rows)


class _ColumnBuilder:
    """Columns that are filled day by day."""

    def __init__(self, sorts: _AttributeTable, names: Collection[str], most: int) -> None:
        self._sorts, self._names, self._end = sorts, names, 0
        # A column is widened when the first number arrives that does not fit.
        self._arrays: dict[str, NDArray[Any]] = {name: np.zeros(most, np.uint8) for name in (*_COMMON_COLUMNS, *names)}
        self._arrays["started"] = np.zeros(most, np.uint32)

    def add(self, day: int, rows: Iterable[dict[str, Any]], since: int, until: int) -> None:
        """Add the packed rows of a day, as far as their runs started in [since, until)."""
        begin, count = self._end, 0
        for count, row in enumerate(rows, start=1):  # noqa: B007  read after the loop
            started = _unpack_column(row, "started")
            chosen = (
                slice(*np.searchsorted(started, (since - day, until - day)))
                if day < since or until < day + DAY_S
                else slice(None)
            )
            self._add(row, started, chosen)
        if count > 1:
            self._put_in_order(slice(begin, self._end))

    def columns(self) -> Columns:
        """Return the columns, cut to the runs that were added."""
        arrays = {name: array[: self._end] for name, array in self._arrays.items()}
        started, lasted, sort = (arrays.pop(name) for name in _COMMON_COLUMNS)
        return Columns(self._sorts.all(), started, lasted, sort, arrays)

    def _add(self, row: Mapping[str, Any], started: NDArray[Any], chosen: slice) -> None:
        places = self._sorts.places(row["probe_pk"], row["path"], row["sorts"])
        self._put("started", started[chosen] + np.uint32(row["day"]))
        self._put("lasted", _unpack_column(row, "lasted")[chosen])
        self._put("sort", places[_unpack_column(row, "sort")[chosen]])
        for name in self._names:
            self._put(name, _unpack_column(row, name)[chosen])
        self._end += len(started[chosen])

    def _put(self, name: str, values: NDArray[Any]) -> None:
        array = self._arrays[name]
        if values.dtype.itemsize > array.dtype.itemsize:
            array = self._arrays[name] = array.astype(values.dtype)
        array[self._end : self._end + len(values)] = values

    def _put_in_order(self, span: slice) -> None:
        order = np.argsort(self._arrays["started"][span], kind="stable")
        for array in self._arrays.values():
            array[span] = array[span][order]


def _unpack_column(row: Mapping[str, Any], name: str) -> NDArray[Any]:
    """Return a column of a packed day.

    Raises:
        StoreError: its length does not match the number of runs.
    """
    runs, packed = row["runs"], row[name]
    if not packed:
        return np.zeros(runs, np.uint8)
    size = len(packed) // runs
    if size not in {1, 2, 4, 8} or len(packed) != size * runs:
        raise StoreError(f"the packed day {row['day']} is damaged in {name}: run `speedmon db check --fix`")
    return np.frombuffer(packed, f"<u{size}")


class _AttributeTable:
    """The distinct attributes of the runs of all days, with the names for the keys that they contain."""

    def __init__(self, connection: Connection) -> None:
        self._probes = _values_by_pk(connection, probes.c.name)
        self._isps = _values_by_pk(connection, isps.c.name)
        server_rows = connection.execute(select(servers.c.pk, *_SERVER_COLUMNS))
        self._servers = {pk: Server(*values) for pk, *values in server_rows}
        self._places: dict[RunAttributes, int] = {}
        self._known: dict[tuple[int, str, bytes], int] = {}
        self._latest: dict[tuple[int, str], tuple[str, NDArray[Any]]] = {}

    def all(self) -> tuple[RunAttributes, ...]:
        """Return the attributes, in the order of their places."""
        return tuple(self._places)

    def places(self, probe_pk: int, path: str, sorts_json: str) -> NDArray[Any]:
        """Return the places of the entries of a day's `sorts` among all attributes."""
        latest = self._latest.get((probe_pk, path))
        if latest is None or latest[0] != sorts_json:
            places = to_smallest_type(
                [self._place(probe_pk, path, bytes(entry)) for entry in _ENTRY_DECODER.decode(sorts_json)]
            )
            latest = self._latest[probe_pk, path] = (sorts_json, places)
        return latest[1]

    def _place(self, probe_pk: int, path: str, entry: bytes) -> int:
        key = (probe_pk, path, entry)
        if key not in self._known:
            sort = self._sort(probe_pk, path, msgspec.json.decode(entry))
            self._known[key] = self._places.setdefault(sort, len(self._places))
        return self._known[key]

    def _sort(self, probe_pk: int, path: str, entry: Sequence[Any]) -> RunAttributes:
        status, engine, healthy, kind, scope, ip_family, isp_pk, server_pk, *plan_and_others = entry
        *plan, remarks = plan_and_others[:4]
        answered, excluded = (*plan_and_others[4:], None, None)[:2]
        return RunAttributes(
            probe=self._probes[probe_pk],
            path=NetworkPath(path),
            status=Status(status),
            engine=engine,
            healthy=healthy,
            kind=None if kind is None else FailureKind(kind),
            scope=None if kind is None else Scope(scope),
            ip_family=ip_family,
            isp=self._isps.get(isp_pk),
            server=self._servers.get(server_pk),
            doubts=tuple(remark for remark in remarks if remark not in HARMLESS_DOUBTS),
            plan=Plan(*plan),
            line_answered=answered,
            excluded=bool(excluded),
        )


def _values_by_pk(connection: Connection, name: Any) -> dict[int, str]:
    return dict(connection.execute(select(name.table.c.pk, name)).all())
