"""MySpeed: rows of its JSON, its CSV and its table `speedtests`. Pure.

Rates are in Mbit/s with two decimals; -1 means a failure. Rows of type `average` are not measurements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from monitor.engines import ookla, parsing
from monitor.importers import attempts
from monitor.importers.base import BITS_PER_MBIT, UnusableRowError
from monitor.importers.rows import ImportFormat
from monitor.model import Measurement

if TYPE_CHECKING:
    from monitor.importers.base import Fields
    from monitor.importers.rows import Row
    from monitor.model import Attempt


NAME = "myspeed"

_ENGINE = ookla.ENGINE.name

_COLUMNS = {"serverid", "ping", "download", "upload", "type", "created"}

_RESULT_URL = "https://www.speedtest.net/result/c/"


def _is_row(fields: Fields) -> bool:
    return fields.keys() >= _COLUMNS


def _read_row(row: Row) -> Attempt:
    if row.fields.get("type") == "average":
        raise UnusableRowError("an average of other rows, not a measurement")
    at, server = row.time("created"), row.server()
    message = row.text("error")
    rates = None if row.is_failure_mark("ping", "download", "upload") else _rates(row)
    if rates is None or (message and rates == (None, None)):
        failure = attempts.to_failure(ookla.ENGINE, [message]) if message else attempts.unexplained_failure(NAME)
        return attempts.failed_attempt(_ENGINE, at, failure, row, server=server)
    external_ip, family = row.address("externalip")
    measured = Measurement(
        download_bps=rates[0],
        upload_bps=rates[1],
        latency_ms=row.latency_ms("ping"),
        jitter_ms=row.jitter_ms("jitter"),
        packet_loss_pct=row.percent("packetloss"),
        download_bytes=row.byte_count("bytesdownloaded"),
        upload_bytes=row.byte_count("bytesuploaded"),
        download_latency_ms=row.latency_ms("downloadlatency"),
        upload_latency_ms=row.latency_ms("uploadlatency"),
        isp=row.text("isp"),
        external_ip=external_ip,
        ip_family=family,
        server=server,
        result_url=_result_url(row.fields.get("resultid")),
    )
    return attempts.measured_attempt(_ENGINE, at, measured, row, row.seconds("time"))


def _rates(row: Row) -> tuple[int | None, int | None]:
    return row.rate_bps("download", BITS_PER_MBIT), row.rate_bps("upload", BITS_PER_MBIT)


def _result_url(result_id: object) -> str | None:
    identifier = parsing.to_identifier(result_id)
    return _RESULT_URL + identifier if identifier else None


def _split_line(line: str) -> list[object] | None:
    """Return the fields of a line of CSV, in which each field is JSON, with JSON's escapes in texts; else None."""
    try:
        return msgspec.json.decode(f"[{line}]", type=list[object])
    except msgspec.DecodeError:
        return None


ROWS = ImportFormat(NAME, _is_row, _read_row, split_line=_split_line)
