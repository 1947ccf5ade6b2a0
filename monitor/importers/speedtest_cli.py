"""speedtest-cli `--json` and `--csv`, with and without a header, with any delimiter. Pure.

Rates are in bit/s, times in UTC with or without a Z. Examples are in tests/data/speedtest-cli. Versions before 1.0.3
write eight columns. A rate of 0.0 means that every transfer failed; 0, without a point, that the transfer was left out
by --no-download or --no-upload.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from monitor.engines import parsing, speedtest_cli
from monitor.importers import attempts
from monitor.importers.rows import ImportFormat, to_server
from monitor.model import Measurement

if TYPE_CHECKING:
    from monitor.importers.base import Fields
    from monitor.importers.rows import Row
    from monitor.model import Attempt, Server


NAME = speedtest_cli.PACKAGE

_UTC = ZoneInfo("UTC")

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

_WIDTHS = (8, 10)

_TIMESTAMP_INDEX = _HEADER.index("timestamp")

_HEADER_START = re.compile(r'"?Server ID"?(.)"?Sponsor"?\1', re.IGNORECASE)

_ROW_START = re.compile(r"\d{1,18}(?:\.0)?([^\d.\"])")

_ID = re.compile(r"\d{1,18}(?:\.0)?", re.ASCII)

_TIME_START = re.compile(r"\d{1,4}[-/.]\d\d?[-/.]\d{1,4}[T ]\d", re.ASCII)

# A wrapper of the program keeps its floats; whole numbers may be in any unit.
_FLOAT = re.compile(r"\d+\.\d+", re.ASCII)

# No line is slower: a smaller number is in another unit.
_LEAST_BPS = 10_000

_LEFT_OUT = (0, "0")


def _is_object(item: Fields) -> bool:
    is_complete = item.keys() >= {"timestamp", "ping", "download"} and isinstance(item.get("server"), dict)
    return is_complete and item.keys().isdisjoint({"jitter", "type"})


def _read_object(row: Row) -> Attempt:
    client, server = row.part("client"), row.part("server")
    external_ip, family = client.address("ip")
    names = (server.text(name) for name in ("sponsor", "name", "country", "host"))
    described = to_server(server.identifier("id"), *names)
    return _to_attempt(
        row,
        described,
        download_bytes=row.byte_count("bytes_received"),
        upload_bytes=row.byte_count("bytes_sent"),
        isp=client.text("isp"),
        external_ip=external_ip,
        ip_family=family,
    )


def _is_row(fields: Fields) -> bool:
    return fields.keys() >= {*_HEADER[:4], "download"}


def _read_row(row: Row) -> Attempt:
    external_ip, family = row.address("ipaddress")
    return _to_attempt(row, _server_of_row(row), external_ip=external_ip, ip_family=family)


def _server_of_row(row: Row) -> Server | None:
    return to_server(row.identifier("serverid"), row.text("sponsor"), row.text("servername"))


def _to_attempt(row: Row, server: Server | None, zone: ZoneInfo | None = _UTC, **others: Any) -> Attempt:
    at = row.time("timestamp", zone)
    rates = {name: _rate_bps(row, name) for name in ("download", "upload")}
    if 0 in rates.values():
        flaws = [flaw for name, rate in rates.items() for flaw in parsing.rate_complaints(name, None, rate or None)]
        failure = attempts.to_failure(speedtest_cli.ENGINE, flaws)
        return attempts.failed_attempt(NAME, at, failure, row, server=server)
    measured = Measurement(
        download_bps=rates["download"],
        upload_bps=rates["upload"],
        latency_ms=row.latency_ms("ping"),
        server=server,
        result_url=row.url("share"),
        **others,
    )
    return attempts.measured_attempt(NAME, at, measured, row)


def _rate_bps(row: Row, name: str) -> int | None:
    value = row.fields.get(name)
    is_left_out = value in _LEFT_OUT and not isinstance(value, float | bool)
    return None if is_left_out else row.rate_bps(name)


def _is_headerless_row(row: list[str]) -> bool:
    return (
        len(row) in _WIDTHS and bool(_ID.fullmatch(row[0].strip())) and bool(_TIME_START.match(row[_TIMESTAMP_INDEX]))
    )


def _find_delimiter(line: str) -> str | None:
    match = _HEADER_START.match(line) or _ROW_START.match(line)
    return match[1] if match else None


def _is_part_of_row(fields: Fields) -> bool:
    """Return whether a wrapper of the program kept a part of its columns."""
    names = fields.keys() - {""}
    return {"timestamp", "download", "upload"} <= names <= {*_HEADER}


def _read_part_of_row(row: Row) -> Attempt:
    for name in ("download", "upload"):
        text = str(row.fields.get(name) or "").strip()
        if text and not (_FLOAT.fullmatch(text) and (float(text) == 0 or float(text) >= _LEAST_BPS)):
            raise row.refuse(name, "a rate in a unit that the file does not name; use --map")
    return _to_attempt(row, _server_of_row(row), _UTC if "T" in str(row.fields.get("timestamp")) else None)


OBJECTS = ImportFormat(NAME, _is_object, _read_object, is_nested=True)

ROWS = ImportFormat(
    NAME, _is_row, _read_row, header=_HEADER, find_delimiter=_find_delimiter, matches_row=_is_headerless_row
)

PARTS_OF_ROWS = ImportFormat(NAME, _is_part_of_row, _read_part_of_row)
