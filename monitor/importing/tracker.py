"""speedtest-tracker by alexjustesen: rows of its table `results`, of its API and of its CSV export. Pure.

Rates are in bytes/s, times in UTC. `data` holds what Ookla's CLI printed; a CSV export flattens it into columns, of
which it has only those of its first row. Before 2024 the table had `successful` and `server_*` instead of `status`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.engines import ookla, readings
from monitor.engines.documents import decode
from monitor.importing import cells, ookla_items, run, when
from monitor.importing import ookla as ookla_log
from monitor.importing.model import Format, UnusableError
from monitor.model import Failure, Kind, Measurement, Scope, Status

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.importing.model import Context, Fields
    from monitor.model import Attempt

NAME = "speedtest-tracker"
_UTC = ZoneInfo("UTC")
_MADE_UP = "faker"
_STUCK = {"waiting", "started", "checking", "running", "benchmarking"}
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
_TOP = {"packetloss": "packetLoss", "isp": "isp", "timestamp": "timestamp", "message": "message"}
_TEXTS = {"isp", "timestamp", "message", "externalIp", "id", "name", "location", "country", "host", "ip", "url"}
_LATENCIES = {"downloadlatencyiqm": "download", "uploadlatencyiqm": "upload"}
_NO_RATES = (
    "completed, but the file has no rates: its columns are those of its first row; import the SQLite file instead"
)


def _knows(fields: Fields) -> bool:
    return "createdat" in fields and ({"service", "status"} <= fields.keys() or {"data", "download"} <= fields.keys())


def _read(fields: Fields, context: Context) -> Attempt:
    status, data = _status(fields), _data(fields)
    at = when.moment(data.get("timestamp"), _UTC) or when.moment(fields.get("createdat"), _UTC)
    engine = _engine(fields)
    if engine == _MADE_UP:
        raise UnusableError("demo data made up by speedtest-tracker")
    if status == "completed":
        return _completed(engine, fields, data, at, context)
    message = readings.text(data.get("message")) or readings.text(fields.get("comments"))
    if status in _STUCK:
        stuck = Failure(
            Kind.INTERRUPTED, Scope.LOCAL, None, f"speedtest-tracker never finished it; its status is {status}"
        )
        return run.failed(engine, at, stuck, context, status=Status.INTERRUPTED)
    if status == "skipped":
        skipped = Failure(Kind.UNKNOWN, Scope.LOCAL, None, message or "skipped by speedtest-tracker")
        return run.failed(engine, at, skipped, context, status=Status.SKIPPED)
    if status != "failed":
        raise UnusableError(f"not a status of speedtest-tracker: {status!r}")
    failure = run.why(ookla.ENGINE, [message]) if message else run.unsaid(NAME)
    return run.failed(engine, at, failure, context)


def _status(fields: Fields) -> str:
    if "status" in fields:
        return str(fields["status"]).strip().lower()
    return "failed" if cells.flag(fields.get("successful")) is False else "completed"


def _engine(fields: Fields) -> str:
    return readings.text(fields.get("service")) or ookla_log.NAME


def _data(fields: Fields) -> dict[str, object]:
    """Return what the CLI printed: the object, from its text if need be, or rebuilt from the columns of an export."""
    data = fields.get("data")
    if isinstance(data, str):
        return decode(data) or {}
    return data if isinstance(data, dict) else _unflattened(fields)


def _unflattened(fields: Fields) -> dict[str, object]:
    data: dict[str, object] = {name: _cell(fields[key], name) for key, name in _TOP.items() if key in fields}
    parts: dict[str, dict[str, object]] = {}
    for key, (part, name) in _FLATTENED.items():
        if key in fields:
            parts.setdefault(part, {})[name] = _cell(fields[key], name)
    for key, part in _LATENCIES.items():
        parts.setdefault(part, {})["latency"] = {"iqm": cells.number(fields.get(key))}
    return data | parts


def _cell(value: object, name: str) -> object:
    return value if name in _TEXTS else cells.number(value)


def _completed(engine: str, fields: Fields, data: dict[str, object], at: datetime | None, context: Context) -> Attempt:
    result = ookla_items.result(data, _UTC)
    if result.measured is None:
        result = replace(result, measured=_of_columns(fields))
    if result.measured is None and "download" not in fields and "downloadbandwidth" not in fields:
        raise UnusableError(_NO_RATES)
    if result.measured is None:
        return run.failed(engine, at, run.why(ookla.ENGINE, [*result.flaws]), context, server=result.server)
    return run.ok(engine, at, result.measured, context, run.seconds(result.measured))


def _of_columns(fields: Fields) -> Measurement | None:
    """Return a measurement from the columns alone, for rows without `data`; None without rates."""
    down, up = (cells.rate_bps(fields.get(name), cells.BYTE) for name in ("download", "upload"))
    if down is None or up is None:
        return None
    return Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=readings.latency_ms(cells.number(fields.get("ping"))),
        download_bytes=readings.count(cells.number(fields.get("downloadbytes"))),
        upload_bytes=readings.count(cells.number(fields.get("uploadbytes"))),
        server=run.server_from_fields(fields),
        result_url=readings.url(fields.get("url")),
    )


ROWS = Format(NAME, _knows, _read)
