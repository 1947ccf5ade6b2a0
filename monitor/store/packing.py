"""The format of a packed day: the runs of a UTC day, probe and path, lossless. To change it, write a migration. Pure.

A column holds one integer for each run in order of time, little endian, all in the smallest of 1, 2, 4 or 8 bytes that
fits; it is empty if all are 0. `started` is in seconds from the beginning of the day, `lasted` in seconds from then;
`sort` is the index into `sorts`, a JSON array of the distinct attributes; the others are as in `monitor.numbers`.
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
"""The columns of a run that form an entry of `sorts`, in its order; of the remarks it contains the kinds."""

ROW = ("started_at", "finished_at", *SAID, *UNITS)
"""The columns of a run that are packed, in the order that `pack` expects."""

_NUMBERS_FROM = len(ROW) - len(UNITS)
_TYPES = {size: next(code for code in "BHILQ" if array(code).itemsize == size) for size in (1, 2, 4, 8)}


def pack(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return the row of a packed day without probe and path; `rows` are at least one run, in order of time."""
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
    """Return non-negative integers as a column."""
    integers = list(values)
    highest = max(integers, default=0)
    if not highest:
        return b""
    packed = array(next(code for size, code in _TYPES.items() if highest < 1 << 8 * size), integers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _sorted_out(attributes: Sequence[tuple[Any, ...]]) -> tuple[str, list[int]]:
    """Return `sorts`, ordered by its content, and the index of each run's attributes in it."""
    encoded = {one: _written(one) for one in set(attributes)}
    places = {text: place for place, text in enumerate(sorted(set(encoded.values())))}
    return f"[{','.join(places)}]", [places[encoded[one]] for one in attributes]


def _written(attributes: tuple[Any, ...]) -> str:
    kinds = [remark.kind for remark in to_remarks(attributes[-1])]
    return msgspec.json.encode((*attributes[:-1], kinds)).decode()
