"""LibreSpeed's CLI, `--json` and `--csv`, as its source defines them. Pure.

Rates are in Mbit/s; times have an offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engines import librespeed
from monitor.importers import base
from monitor.importers.base import ImportFormat

if TYPE_CHECKING:
    from monitor.importers.base import Fields, ImportContext
    from monitor.model import Attempt


NAME = librespeed.NAME

_HEADER = ("timestamp", "servername", "address", "ping", "jitter", "download", "upload", "share", "ip")


def _is_object(item: Fields) -> bool:
    return item.keys() >= {"server", "client", "ping", "jitter"} and isinstance(item.get("download"), int | float)


def _read_object(item: Fields, context: ImportContext) -> Attempt:
    measured, flaws = librespeed.to_measurement(dict(item))
    at = base.parse_time(item.get("timestamp"), context.zone)
    if measured is None:
        return base.failed_attempt(NAME, at, base.to_failure(librespeed.ENGINE, flaws), context)
    return base.measured_attempt(NAME, at, measured, context)


def _is_row(fields: Fields) -> bool:
    return fields.keys() >= {*_HEADER[:5]}


def _read_row(fields: Fields, context: ImportContext) -> Attempt:
    """Read a row by way of the object with the same content."""
    numbers = {name: base.to_number(fields.get(name)) for name in ("ping", "jitter", "download", "upload")}
    server = {"name": fields.get("servername"), "url": fields.get("address")}
    others = {"timestamp": fields.get("timestamp"), "share": fields.get("share"), "client": {"ip": fields.get("ip")}}
    return _read_object({**numbers, **others, "server": server}, context)


def _is_headerless_row(row: list[str]) -> bool:
    return len(row) == len(_HEADER) and "T" in row[0] and row[2].startswith("http")


OBJECTS = ImportFormat(NAME, _is_object, _read_object, is_nested=True)

ROWS = ImportFormat(NAME, _is_row, _read_row, header=_HEADER, matches_row=_is_headerless_row)
