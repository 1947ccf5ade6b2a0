"""LibreSpeed's CLI, `--json` and `--csv`, as its source defines them. Pure.

Rates are in Mbit/s, and 0 where a transfer was left out; times have an offset.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from monitor.engines import librespeed
from monitor.importers import attempts
from monitor.importers.base import BITS_PER_MBIT
from monitor.importers.rows import ImportFormat
from monitor.model import Measurement

if TYPE_CHECKING:
    from monitor.importers.base import Fields
    from monitor.importers.rows import Row
    from monitor.model import Attempt, Server


NAME = librespeed.NAME

_HEADER = ("timestamp", "servername", "address", "ping", "jitter", "download", "upload", "share", "ip")

_TIME_START = re.compile(r"\d{1,4}[-/.]\d\d?[-/.]\d{1,4}[T ]\d", re.ASCII)


def _is_object(item: Fields) -> bool:
    return item.keys() >= {"server", "client", "ping", "jitter", "download"} and "type" not in item


def _read_object(row: Row) -> Attempt:
    client, server = row.part("client"), row.part("server")
    external_ip, family = client.address("ip")
    return _to_attempt(
        row,
        librespeed.to_server({"name": server.fields.get("name"), "url": server.fields.get("url")}),
        download_bytes=row.byte_count("bytes_received"),
        upload_bytes=row.byte_count("bytes_sent"),
        isp=client.text("org"),
        external_ip=external_ip,
        ip_family=family,
    )


def _is_row(fields: Fields) -> bool:
    return fields.keys() >= {*_HEADER[:5]}


def _read_row(row: Row) -> Attempt:
    external_ip, family = row.address("ip")
    server = librespeed.to_server({"name": row.fields.get("servername"), "url": row.fields.get("address")})
    return _to_attempt(row, server, external_ip=external_ip, ip_family=family)


def _to_attempt(row: Row, server: Server | None, **others: Any) -> Attempt:
    down, up = (row.rate_bps(name, BITS_PER_MBIT) or None for name in ("download", "upload"))
    measured = Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=row.latency_ms("ping"),
        jitter_ms=row.jitter_ms("jitter"),
        server=server,
        result_url=row.url("share"),
        **others,
    )
    return attempts.measured_attempt(NAME, row.time("timestamp"), measured, row)


def _is_headerless_row(row: list[str]) -> bool:
    return len(row) == len(_HEADER) and bool(_TIME_START.match(row[0])) and row[2].startswith("http")


OBJECTS = ImportFormat(NAME, _is_object, _read_object, is_nested=True)

ROWS = ImportFormat(NAME, _is_row, _read_row, header=_HEADER, matches_row=_is_headerless_row)
