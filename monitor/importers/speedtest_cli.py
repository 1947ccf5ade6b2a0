"""speedtest-cli `--json` and `--csv`, with and without a header. Pure. Examples are in tests/data/speedtest-cli.

Rates are in bit/s, times in UTC. A rate of 0 means that every transfer failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engines import parsing, speedtest_cli
from monitor.importers import base
from monitor.importers.base import ImportFormat
from monitor.model import Measurement, Server

if TYPE_CHECKING:
    from monitor.importers.base import Fields, ImportContext
    from monitor.model import Attempt


NAME = speedtest_cli.PACKAGE

_HEADER = (
    "serverid",
    "sponsor",
    "servername",
    "timestamp",
    "distance",
    "ping",
    "download",
    "upload",
    "share",
    "ipaddress",
)

_TIMESTAMP_INDEX = _HEADER.index("timestamp")


def _is_object(item: Fields) -> bool:
    rate = item.get("download")
    return (
        isinstance(rate, int | float) and {"server", "timestamp", "bytes_sent"} <= item.keys() and "jitter" not in item
    )


def _read_object(item: Fields, context: ImportContext) -> Attempt:
    measured, flaws = speedtest_cli.to_measurement(dict(item))
    server = speedtest_cli.to_server(parsing.to_object(item.get("server")))
    return _to_attempt(item.get("timestamp"), measured, flaws, server, context)


def _is_row(fields: Fields) -> bool:
    return fields.keys() >= {*_HEADER[:4], "download"}


def _read_row(fields: Fields, context: ImportContext) -> Attempt:
    down, up = base.to_rate_bps(fields.get("download")), base.to_rate_bps(fields.get("upload"))
    flaws = parsing.rate_complaints("download", None, down) + parsing.rate_complaints("upload", None, up)
    external_ip, family = parsing.to_address(fields.get("ipaddress"))
    server = Server(
        parsing.to_identifier(fields.get("serverid")),
        parsing.clean_text(fields.get("sponsor")),
        parsing.clean_text(fields.get("servername")),
    )
    measured = Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=parsing.to_latency_ms(base.to_number(fields.get("ping"))),
        external_ip=external_ip,
        ip_family=family,
        server=server,
        result_url=parsing.to_url(fields.get("share")),
    )
    return _to_attempt(fields.get("timestamp"), None if flaws else measured, flaws, server, context)


def _to_attempt(
    timestamp: object, measured: Measurement | None, flaws: list[str], server: Server | None, context: ImportContext
) -> Attempt:
    at = base.parse_time(timestamp, context.zone)
    if measured is None:
        return base.failed_attempt(NAME, at, base.to_failure(speedtest_cli.ENGINE, flaws), context, server=server)
    return base.measured_attempt(NAME, at, measured, context)


def _is_headerless_row(row: list[str]) -> bool:
    return len(row) == len(_HEADER) and row[0].isdecimal() and "T" in row[_TIMESTAMP_INDEX]


OBJECTS = ImportFormat(NAME, _is_object, _read_object, is_nested=True)

ROWS = ImportFormat(NAME, _is_row, _read_row, header=_HEADER, matches_row=_is_headerless_row)
