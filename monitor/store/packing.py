"""The runs of a UTC day, probe and path packed into one row, exactly; to change the format, write a migration. Pure.

A column is the runs' whole numbers in order of time, each in the least of 1, 2, 4 or 8 bytes that takes all of them,
little endian; empty where all are 0. `started` counts from the day's beginning and `lasted` from there, in seconds;
`sort` is the place in `sorts`, a JSON array of what runs have in common; the rest is as `monitor.numbers` keeps it.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.numbers import UNITS, whole
from monitor.store.blobs import to_remarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DAY_S = 86_400

SAID = (
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
)
"""The columns of a run that make its sort, in the order of an entry of `sorts`; of remarks it has the kinds."""

ROW = ("started_at", "finished_at", *SAID, *UNITS)
"""The columns of a run that are packed, in the order that `pack` wants."""

_NUMBERS_FROM = len(ROW) - len(UNITS)
_TYPES = {size: next(code for code in "BHILQ" if array(code).itemsize == size) for size in (1, 2, 4, 8)}


def pack(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return the columns of a packed day but for its probe and path; the runs, some, are given in order of time."""
    columns = list(zip(*rows, strict=True))
    started, finished = columns[0], columns[1]
    day = started[0] - started[0] % DAY_S
    sorts, places = _sorted_out(list(zip(*columns[2:_NUMBERS_FROM], strict=True)))
    numbers = zip(UNITS.items(), columns[_NUMBERS_FROM:], strict=True)
    return {
        "day": day,
        "runs": len(rows),
        "sorts": sorts,
        "started": narrow([moment - day for moment in started]),
        "lasted": narrow([end - begin for begin, end in zip(started, finished, strict=True)]),
        "sort": narrow(places),
        **{name: narrow([whole(value, unit) for value in values]) for (name, unit), values in numbers},
    }


def narrow(values: Iterable[int]) -> bytes:
    """Return whole numbers, none below 0, as a column."""
    listed = list(values)
    highest = max(listed, default=0)
    if not highest:
        return b""
    packed = array(next(code for size, code in _TYPES.items() if highest < 1 << 8 * size), listed)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _sorted_out(said: Sequence[tuple[Any, ...]]) -> tuple[str, list[int]]:
    """Return `sorts`, in an order that depends on nothing but what is in it, and the place of each run in it."""
    written = {one: _written(one) for one in set(said)}
    places = {text: place for place, text in enumerate(sorted(set(written.values())))}
    return f"[{','.join(places)}]", [places[written[one]] for one in said]


def _written(said: tuple[Any, ...]) -> str:
    kinds = [remark.kind for remark in to_remarks(said[-1])]
    return msgspec.json.encode((*said[:-1], kinds)).decode()
