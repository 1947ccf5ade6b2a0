"""MySpeed: rows of its JSON, its CSV and its table `speedtests`. Pure.

Rates are in Mbit/s with two decimals; -1 means a failure. Rows of type `average` are not measurements.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import msgspec

from monitor.engines import ookla, parsing
from monitor.importers import base
from monitor.importers.base import ImportFormat, UnusableRowError
from monitor.model import Measurement

if TYPE_CHECKING:
    from monitor.importers.base import Fields, ImportContext
    from monitor.model import Attempt


NAME = "myspeed"

_ENGINE = ookla.ENGINE.name

_COLUMNS = {"serverid", "ping", "download", "upload", "type", "created"}

_RESULT_URL = "https://www.speedtest.net/result/c/"

_MAX_TEST_S = 3600


def _is_row(fields: Fields) -> bool:
    return fields.keys() >= _COLUMNS


def _read_row(fields: Fields, context: ImportContext) -> Attempt:
    if fields.get("type") == "average":
        raise UnusableRowError("an average of other rows, not a measurement")
    at = base.parse_time(fields.get("created"), context.zone)
    down, up = (base.to_rate_bps(fields.get(name), base.BITS_PER_MBIT) for name in ("download", "upload"))
    server = base.server_from_fields(fields)
    if down is None or up is None:
        message = parsing.clean_text(fields.get("error"))
        failure = base.to_failure(ookla.ENGINE, [message]) if message else base.unexplained_failure(NAME)
        return base.failed_attempt(_ENGINE, at, failure, context, server=server)
    external_ip, family = parsing.to_address(fields.get("externalip"))
    measured = Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=parsing.to_latency_ms(base.to_number(fields.get("ping"))),
        jitter_ms=parsing.to_jitter_ms(base.to_number(fields.get("jitter"))),
        packet_loss_pct=parsing.to_percent(base.to_number(fields.get("packetloss"))),
        download_bytes=parsing.to_count(base.to_number(fields.get("bytesdownloaded"))),
        upload_bytes=parsing.to_count(base.to_number(fields.get("bytesuploaded"))),
        download_latency_ms=parsing.to_latency_ms(base.to_number(fields.get("downloadlatency"))),
        upload_latency_ms=parsing.to_latency_ms(base.to_number(fields.get("uploadlatency"))),
        isp=parsing.clean_text(fields.get("isp")),
        external_ip=external_ip,
        ip_family=family,
        server=server,
        result_url=_result_url(fields.get("resultid")),
    )
    return base.measured_attempt(
        _ENGINE, at, measured, context, parsing.to_number(base.to_number(fields.get("time")), 0, _MAX_TEST_S)
    )


def _result_url(result_id: object) -> str | None:
    identifier = parsing.to_identifier(result_id)
    return _RESULT_URL + identifier if identifier else None


def _split_line(line: str) -> list[object]:
    """Return the fields of a line of CSV, in which each field is JSON, with JSON's escapes in texts."""
    try:
        return msgspec.json.decode(f"[{line}]", type=list[object])
    except msgspec.DecodeError:
        return [*next(csv.reader([line]), [])]


ROWS = ImportFormat(NAME, _is_row, _read_row, split_line=_split_line)
