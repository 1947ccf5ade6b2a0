"""Both programs called speedtest-tracker. Pure.

The one by alexjustesen: rows of its table `results`, of its API and of its CSV export. Rates are in bytes/s, times in
UTC. `data` holds what Ookla's CLI printed; a CSV export flattens it into columns, of which it has only those of its
first row. Before 2024 the table had `successful` and `server_*` instead of `status`.

The older one by henrywhitaker3: rows of its table `speedtests`, its CSV and its JSON. Rates are in Mbit/s, times in the
time zone of the app; ping, download and upload of 0 mean a failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.engines import ookla, parsing
from monitor.importers import base
from monitor.importers import ookla as ookla_log
from monitor.importers.base import ImportFormat, UnusableRowError
from monitor.model import Failure, FailureKind, Measurement, Scope, Status

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.importers.base import Fields, ImportContext
    from monitor.model import Attempt


NAME = "speedtest-tracker"

_UTC = ZoneInfo("UTC")

_DEMO_SERVICE = "faker"

_UNFINISHED = {"waiting", "started", "checking", "running", "benchmarking"}

# Columns of a flattened export, by normalized name, and their place in `data`.
_FLATTENED = {
    "pinglatency": ("ping", "latency"),
    "pingjitter": ("ping", "jitter"),
    "downloadbandwidth": ("download", "bandwidth"),
    "downloadbytes": ("download", "bytes"),
    "downloadelapsed": ("download", "elapsed"),
    "uploadbandwidth": ("upload", "bandwidth"),
    "uploadbytes": ("upload", "bytes"),
    "uploadelapsed": ("upload", "elapsed"),
    "interfaceexternalip": ("interface", "externalIp"),
    "serverid": ("server", "id"),
    "servername": ("server", "name"),
    "serverlocation": ("server", "location"),
    "servercountry": ("server", "country"),
    "serverhost": ("server", "host"),
    "serverip": ("server", "ip"),
    "resulturl": ("result", "url"),
}

_TOP_LEVEL = {"packetloss": "packetLoss", "isp": "isp", "timestamp": "timestamp", "message": "message"}

_TEXT_FIELDS = {"isp", "timestamp", "message", "externalIp", "id", "name", "location", "country", "host", "ip", "url"}

_LATENCIES = {"downloadlatencyiqm": "download", "uploadlatencyiqm": "upload"}

_NO_RATES = (
    "completed, but the file has no rates: its columns are those of its first row; import the SQLite file instead"
)

_OLD_COLUMNS = {"id", "ping", "download", "upload", "createdat"}

_COLUMNS_OF_OTHERS = {"service", "status", "successful", "data", "type"}


def _is_row(fields: Fields) -> bool:
    return "createdat" in fields and ({"service", "status"} <= fields.keys() or {"data", "download"} <= fields.keys())


def _read_row(fields: Fields, context: ImportContext) -> Attempt:
    status, data = _row_status(fields), _printed_result(fields)
    at = base.parse_time(data.get("timestamp"), _UTC) or base.parse_time(fields.get("createdat"), _UTC)
    engine = _row_engine(fields)
    if engine == _DEMO_SERVICE:
        raise UnusableRowError("demo data made up by speedtest-tracker")
    if status == "completed":
        return _read_completed(engine, fields, data, at, context)
    message = parsing.clean_text(data.get("message")) or parsing.clean_text(fields.get("comments"))
    if status in _UNFINISHED:
        stuck = Failure(
            FailureKind.INTERRUPTED, Scope.LOCAL, None, f"speedtest-tracker never finished it; its status is {status}"
        )
        return base.failed_attempt(engine, at, stuck, context, status=Status.INTERRUPTED)
    if status == "skipped":
        skipped = Failure(FailureKind.UNKNOWN, Scope.LOCAL, None, message or "skipped by speedtest-tracker")
        return base.failed_attempt(engine, at, skipped, context, status=Status.SKIPPED)
    if status != "failed":
        raise UnusableRowError(f"not a status of speedtest-tracker: {status!r}")
    failure = base.to_failure(ookla.ENGINE, [message]) if message else base.unexplained_failure(NAME)
    return base.failed_attempt(engine, at, failure, context)


def _row_status(fields: Fields) -> str:
    if "status" in fields:
        return str(fields["status"]).strip().lower()
    return "failed" if base.to_bool(fields.get("successful")) is False else "completed"


def _row_engine(fields: Fields) -> str:
    return parsing.clean_text(fields.get("service")) or ookla_log.NAME


def _printed_result(fields: Fields) -> dict[str, object]:
    """Return what the CLI printed: the object, from its text if need be, or rebuilt from the columns of an export."""
    data = fields.get("data")
    if isinstance(data, str):
        return parsing.decode_object(data) or {}
    return data if isinstance(data, dict) else _unflatten(fields)


def _unflatten(fields: Fields) -> dict[str, object]:
    data: dict[str, object] = {name: _cell(fields[key], name) for key, name in _TOP_LEVEL.items() if key in fields}
    parts: dict[str, dict[str, object]] = {}
    for key, (part, name) in _FLATTENED.items():
        if key in fields:
            parts.setdefault(part, {})[name] = _cell(fields[key], name)
    for key, part in _LATENCIES.items():
        parts.setdefault(part, {})["latency"] = {"iqm": base.to_number(fields.get(key))}
    return data | parts


def _cell(value: object, name: str) -> object:
    return value if name in _TEXT_FIELDS else base.to_number(value)


def _read_completed(
    engine: str, fields: Fields, data: dict[str, object], at: datetime | None, context: ImportContext
) -> Attempt:
    result = ookla_log.parse_result(data, _UTC)
    if result.measured is None:
        result = replace(result, measured=_measurement_from_columns(fields))
    if result.measured is None and "download" not in fields and "downloadbandwidth" not in fields:
        raise UnusableRowError(_NO_RATES)
    if result.measured is None:
        return base.failed_attempt(
            engine, at, base.to_failure(ookla.ENGINE, [*result.flaws]), context, server=result.server
        )
    return base.measured_attempt(engine, at, result.measured, context, base.transfer_seconds(result.measured))


def _measurement_from_columns(fields: Fields) -> Measurement | None:
    """Return a measurement from the columns alone, for rows without `data`; None without rates."""
    down, up = (base.to_rate_bps(fields.get(name), base.BITS_PER_BYTE) for name in ("download", "upload"))
    if down is None or up is None:
        return None
    return Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=parsing.to_latency_ms(base.to_number(fields.get("ping"))),
        download_bytes=parsing.to_count(base.to_number(fields.get("downloadbytes"))),
        upload_bytes=parsing.to_count(base.to_number(fields.get("uploadbytes"))),
        server=base.server_from_fields(fields),
        result_url=parsing.to_url(fields.get("url")),
    )


ROWS = ImportFormat(NAME, _is_row, _read_row)


def _is_old_row(fields: Fields) -> bool:
    return fields.keys() >= _OLD_COLUMNS and not fields.keys() & _COLUMNS_OF_OTHERS


def _read_old_row(fields: Fields, context: ImportContext) -> Attempt:
    at = base.parse_time(fields.get("createdat"), context.zone)
    down, up = (base.to_rate_bps(fields.get(name), base.BITS_PER_MBIT) for name in ("download", "upload"))
    server = base.server_from_fields(fields)
    if base.to_bool(fields.get("failed")) or down is None or up is None:
        return base.failed_attempt(ookla_log.NAME, at, base.unexplained_failure(NAME), context, server=server)
    measured = Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=parsing.to_latency_ms(base.to_number(fields.get("ping"))),
        server=server,
        result_url=parsing.to_url(fields.get("url")),
    )
    return base.measured_attempt(ookla_log.NAME, at, measured, context)


OLD_ROWS = ImportFormat(NAME, _is_old_row, _read_old_row)
