"""speedtest-tracker by henrywhitaker3: rows of its table `speedtests`, its CSV and its JSON. Pure.

Rates are in Mbit/s, times in the time zone of the app; ping, download and upload of 0 mean a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engines import readings
from monitor.importing import cells, run, tracker, when
from monitor.importing import ookla as ookla_log
from monitor.importing.model import Format
from monitor.model import Measurement

if TYPE_CHECKING:
    from monitor.importing.model import Context, Fields
    from monitor.model import Attempt

_COLUMNS = {"id", "ping", "download", "upload", "createdat"}
_OF_OTHERS = {"service", "status", "successful", "data", "type"}


def _knows(fields: Fields) -> bool:
    return fields.keys() >= _COLUMNS and not fields.keys() & _OF_OTHERS


def _read(fields: Fields, context: Context) -> Attempt:
    at = when.moment(fields.get("createdat"), context.zone)
    down, up = (cells.rate_bps(fields.get(name), cells.MBIT) for name in ("download", "upload"))
    server = run.server_from_fields(fields)
    if cells.flag(fields.get("failed")) or down is None or up is None:
        return run.failed(ookla_log.NAME, at, run.unsaid(tracker.NAME), context, server=server)
    measured = Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=readings.latency_ms(cells.number(fields.get("ping"))),
        server=server,
        result_url=readings.url(fields.get("url")),
    )
    return run.ok(ookla_log.NAME, at, measured, context)


ROWS = Format(tracker.NAME, _knows, _read)
