"""MySpeed: rows of its JSON, its CSV and its table `speedtests`. Pure.

Rates are in Mbit/s with two decimals; -1 means a failure. Rows of type `average` are not measurements.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import msgspec

from monitor.engines import ookla, readings
from monitor.importing import cells, run, when
from monitor.importing.model import Format, UnusableError
from monitor.model import Measurement

if TYPE_CHECKING:
    from monitor.importing.model import Context, Fields
    from monitor.model import Attempt

NAME = "myspeed"
_ENGINE = ookla.ENGINE.name
_COLUMNS = {"serverid", "ping", "download", "upload", "type", "created"}
_RESULT = "https://www.speedtest.net/result/c/"
_LONGEST_S = 3600


def _knows(fields: Fields) -> bool:
    return fields.keys() >= _COLUMNS


def _read(fields: Fields, context: Context) -> Attempt:
    if fields.get("type") == "average":
        raise UnusableError("an average of other rows, not a measurement")
    at = when.moment(fields.get("created"), context.zone)
    down, up = (cells.rate_bps(fields.get(name), cells.MBIT) for name in ("download", "upload"))
    server = run.server_from_fields(fields)
    if down is None or up is None:
        message = readings.text(fields.get("error"))
        failure = run.why(ookla.ENGINE, [message]) if message else run.unsaid(NAME)
        return run.failed(_ENGINE, at, failure, context, server=server)
    external_ip, family = readings.address(fields.get("externalip"))
    measured = Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=readings.latency_ms(cells.number(fields.get("ping"))),
        jitter_ms=readings.jitter_ms(cells.number(fields.get("jitter"))),
        packet_loss_pct=readings.percent(cells.number(fields.get("packetloss"))),
        download_bytes=readings.count(cells.number(fields.get("bytesdownloaded"))),
        upload_bytes=readings.count(cells.number(fields.get("bytesuploaded"))),
        download_latency_ms=readings.latency_ms(cells.number(fields.get("downloadlatency"))),
        upload_latency_ms=readings.latency_ms(cells.number(fields.get("uploadlatency"))),
        isp=readings.text(fields.get("isp")),
        external_ip=external_ip,
        ip_family=family,
        server=server,
        result_url=_url(fields.get("resultid")),
    )
    return run.ok(_ENGINE, at, measured, context, readings.number(cells.number(fields.get("time")), 0, _LONGEST_S))


def _url(result_id: object) -> str | None:
    identifier = readings.identifier(result_id)
    return _RESULT + identifier if identifier else None


def _split(line: str) -> list[object]:
    """Return the fields of a line of CSV, in which each field is JSON, with JSON's escapes in texts."""
    try:
        return msgspec.json.decode(f"[{line}]", type=list[object])
    except msgspec.DecodeError:
        return [*next(csv.reader([line]), [])]


ROWS = Format(NAME, _knows, _read, split_line=_split)
