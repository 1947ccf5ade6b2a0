"""speedtest-cli `--json` and `--csv`, with and without a header. Pure. Examples are in tests/data/speedtest-cli.

Rates are in bit/s, times in UTC. A rate of 0 means that every transfer failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engines import readings, speedtest_cli
from monitor.importing import cells, run, when
from monitor.importing.model import Format
from monitor.model import Measurement, Server

if TYPE_CHECKING:
    from monitor.importing.model import Context, Fields
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
_TIMESTAMP = _HEADER.index("timestamp")


def _knows_object(item: Fields) -> bool:
    rate = item.get("download")
    return (
        isinstance(rate, int | float) and {"server", "timestamp", "bytes_sent"} <= item.keys() and "jitter" not in item
    )


def _from_object(item: Fields, context: Context) -> Attempt:
    measured, flaws = speedtest_cli.measured(dict(item))
    server = speedtest_cli.server_of(readings.fields(item.get("server")))
    return _attempt(item.get("timestamp"), measured, flaws, server, context)


def _knows_row(fields: Fields) -> bool:
    return fields.keys() >= {*_HEADER[:4], "download"}


def _from_row(fields: Fields, context: Context) -> Attempt:
    down, up = cells.rate_bps(fields.get("download")), cells.rate_bps(fields.get("upload"))
    flaws = readings.flaw("download", None, down) + readings.flaw("upload", None, up)
    external_ip, family = readings.address(fields.get("ipaddress"))
    server = Server(
        readings.identifier(fields.get("serverid")),
        readings.text(fields.get("sponsor")),
        readings.text(fields.get("servername")),
    )
    measured = Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=readings.latency_ms(cells.number(fields.get("ping"))),
        external_ip=external_ip,
        ip_family=family,
        server=server,
        result_url=readings.url(fields.get("share")),
    )
    return _attempt(fields.get("timestamp"), None if flaws else measured, flaws, server, context)


def _attempt(
    timestamp: object, measured: Measurement | None, flaws: list[str], server: Server | None, context: Context
) -> Attempt:
    at = when.moment(timestamp, context.zone)
    if measured is None:
        return run.failed(NAME, at, run.why(speedtest_cli.ENGINE, flaws), context, server=server)
    return run.ok(NAME, at, measured, context)


def _fits(row: list[str]) -> bool:
    return len(row) == len(_HEADER) and row[0].isdecimal() and "T" in row[_TIMESTAMP]


OBJECTS = Format(NAME, _knows_object, _from_object, is_nested=True)
ROWS = Format(NAME, _knows_row, _from_row, header=_HEADER, matches_row=_fits)
