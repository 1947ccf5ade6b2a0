"""LibreSpeed's CLI, `--json` and `--csv`, as its source defines them. Pure.

Rates are in Mbit/s; times have an offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engines import librespeed
from monitor.importing import cells, run, when
from monitor.importing.model import Format

if TYPE_CHECKING:
    from monitor.importing.model import Context, Fields
    from monitor.model import Attempt

NAME = librespeed.NAME
_HEADER = ("timestamp", "servername", "address", "ping", "jitter", "download", "upload", "share", "ip")


def _knows_object(item: Fields) -> bool:
    return item.keys() >= {"server", "client", "ping", "jitter"} and isinstance(item.get("download"), int | float)


def _from_object(item: Fields, context: Context) -> Attempt:
    measured, flaws = librespeed.measured(dict(item))
    at = when.moment(item.get("timestamp"), context.zone)
    if measured is None:
        return run.failed(NAME, at, run.why(librespeed.ENGINE, flaws), context)
    return run.ok(NAME, at, measured, context)


def _knows_row(fields: Fields) -> bool:
    return fields.keys() >= {*_HEADER[:5]}


def _from_row(fields: Fields, context: Context) -> Attempt:
    """Read a row by way of the object with the same content."""
    numbers = {name: cells.number(fields.get(name)) for name in ("ping", "jitter", "download", "upload")}
    server = {"name": fields.get("servername"), "url": fields.get("address")}
    others = {"timestamp": fields.get("timestamp"), "share": fields.get("share"), "client": {"ip": fields.get("ip")}}
    return _from_object({**numbers, **others, "server": server}, context)


def _fits(row: list[str]) -> bool:
    return len(row) == len(_HEADER) and "T" in row[0] and row[2].startswith("http")


OBJECTS = Format(NAME, _knows_object, _from_object, is_nested=True)
ROWS = Format(NAME, _knows_row, _from_row, header=_HEADER, matches_row=_fits)
