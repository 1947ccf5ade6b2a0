"""Both programs called speedtest-tracker. Pure.

The one by alexjustesen: rows of its table `results`, of its API and of its CSV export. Rates are in bytes/s, times in
UTC. `data` holds what Ookla's CLI printed; a CSV export flattens it into columns, of which it has only those of its
first row. Before 2024 the table had `successful` and `server_*` instead of `status`.

The older one by henrywhitaker3: rows of its table `speedtests`, its CSV and its JSON. Rates are in Mbit/s, times in the
time zone of the app; ping, download and upload of 0 mean a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.engines import ookla, parsing
from monitor.importers import attempts
from monitor.importers import ookla as ookla_log
from monitor.importers.base import BITS_PER_BYTE, BITS_PER_MBIT, UnusableRowError
from monitor.importers.rows import ImportFormat, Row, to_bool
from monitor.model import Failure, FailureKind, Measurement, Scope, Status

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.importers.base import Fields
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

_LATENCIES = {"downloadlatencyiqm": "download", "uploadlatencyiqm": "upload"}

_NO_RATES = (
    "completed, but without a rate: an export has the columns of its first row only; import the SQLite file instead"
)

_OLD_COLUMNS = {"id", "ping", "download", "upload", "createdat"}

_COLUMNS_OF_OTHERS = {"service", "status", "successful", "data", "type"}


def _is_row(fields: Fields) -> bool:
    return "createdat" in fields and ({"service", "status"} <= fields.keys() or {"data", "download"} <= fields.keys())


def _read_row(row: Row) -> Attempt:
    status, data = _row_status(row), _printed_result(row)
    engine = _row_engine(row)
    if engine == _DEMO_SERVICE:
        raise UnusableRowError("demo data made up by speedtest-tracker")
    at = data.time_if_any("timestamp", _UTC) or row.time("createdat", _UTC)
    if status == "completed":
        return _read_completed(engine, row, data, at)
    message = data.text("message") or row.text("comments")
    if status in _UNFINISHED:
        stuck = Failure(
            FailureKind.INTERRUPTED, Scope.LOCAL, None, f"speedtest-tracker never finished it; its status is {status}"
        )
        return attempts.failed_attempt(engine, at, stuck, row, status=Status.INTERRUPTED)
    if status == "skipped":
        skipped = Failure(FailureKind.UNKNOWN, Scope.LOCAL, None, message or "skipped by speedtest-tracker")
        return attempts.failed_attempt(engine, at, skipped, row, status=Status.SKIPPED)
    if status != "failed":
        raise row.refuse("status" if "status" in row.fields else "successful", "not a status of speedtest-tracker")
    failure = attempts.to_failure(ookla.ENGINE, [message]) if message else attempts.unexplained_failure(NAME)
    return attempts.failed_attempt(engine, at, failure, row)


def _row_status(row: Row) -> str:
    if "status" in row.fields:
        return str(row.fields["status"]).strip().lower()
    successful = row.fields.get("successful")
    if successful is None or to_bool(successful):
        return "completed"
    return "failed" if to_bool(successful) is False else "unknown"


def _row_engine(row: Row) -> str:
    return row.text("service") or ookla_log.NAME


def _printed_result(row: Row) -> Row:
    """Return what the CLI printed: the object, from its text if need be, or rebuilt from the columns of an export."""
    data = row.fields.get("data")
    if isinstance(data, str):
        return Row(parsing.decode_object(data) or {}, row.source, "data.")
    return Row(data, row.source, "data.") if isinstance(data, dict) else Row(_unflatten(row.fields), row.source)


def _unflatten(fields: Fields) -> dict[str, object]:
    data: dict[str, object] = {name: fields[key] for key, name in _TOP_LEVEL.items() if key in fields}
    parts: dict[str, dict[str, object]] = {}
    for key, (part, name) in _FLATTENED.items():
        if key in fields:
            parts.setdefault(part, {})[name] = fields[key]
    for key, part in _LATENCIES.items():
        parts.setdefault(part, {})["latency"] = {"iqm": fields.get(key)}
    return data | parts


def _read_completed(engine: str, row: Row, data: Row, at: datetime) -> Attempt:
    result = ookla_log.parse_result(data)
    if result.measured is None and not result.flaws:
        result = _result_from_columns(row)
    if result.flaws:
        failure = attempts.to_failure(ookla.ENGINE, [*result.flaws])
        return attempts.failed_attempt(engine, at, failure, row, server=result.server)
    if result.measured is None:
        raise UnusableRowError(_NO_RATES)
    return attempts.measured_attempt(engine, at, result.measured, row, attempts.transfer_seconds(result.measured))


def _result_from_columns(row: Row) -> ookla_log.LoggedResult:
    """Return a result from the columns alone, for rows without `data`."""
    down, up = (row.rate_bps(name, BITS_PER_BYTE) for name in ("download", "upload"))
    measured = Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=row.latency_ms("ping"),
        download_bytes=row.byte_count("downloadbytes"),
        upload_bytes=row.byte_count("uploadbytes"),
        server=row.server(),
        result_url=row.url("url"),
    )
    return ookla_log.to_result(None, measured)


ROWS = ImportFormat(NAME, _is_row, _read_row)


def _is_old_row(fields: Fields) -> bool:
    return fields.keys() >= _OLD_COLUMNS and not fields.keys() & _COLUMNS_OF_OTHERS


def _read_old_row(row: Row) -> Attempt:
    at, server = row.time("createdat"), row.server()
    down, up = (row.rate_bps(name, BITS_PER_MBIT) for name in ("download", "upload"))
    latency = row.latency_ms("ping")
    if _is_marked_failed(row) or (down == up == 0 and latency is None):
        return attempts.failed_attempt(ookla_log.NAME, at, attempts.unexplained_failure(NAME), row, server=server)
    measured = Measurement(
        download_bps=down, upload_bps=up, latency_ms=latency, server=server, result_url=row.url("url")
    )
    return attempts.measured_attempt(ookla_log.NAME, at, measured, row)


def _is_marked_failed(row: Row) -> bool:
    failed = row.fields.get("failed")
    is_failed = to_bool(failed)
    if is_failed is None and str(failed or "").strip():
        raise row.refuse("failed", "neither yes nor no")
    return bool(is_failed)


OLD_ROWS = ImportFormat(NAME, _is_old_row, _read_old_row)
