"""Statistics by server: tests, failures and the median results."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import select

from monitor.model import Status
from monitor.store.names import of_probe
from monitor.store.open import open_reader
from monitor.store.tables import runs, servers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Row

    from monitor.settings import Settings

_NAMES = [servers.c[name].label(f"server_{name}") for name in ("id", "name", "location", "country", "host")]
_COLUMNS = [runs.c[name] for name in ("engine", "status", "download_bps", "upload_bps", "latency_ms")]


@dataclass(frozen=True, slots=True)
class ServerStats:
    """One server of an engine. A failed test counts for the server that it had chosen."""

    engine: str
    id: str | None
    name: str | None
    location: str | None
    country: str | None
    runs: int
    failures: int
    download_bps: int | None
    upload_bps: int | None
    latency_ms: float | None


def of_servers(settings: Settings, since: datetime) -> list[ServerStats]:
    """Return the servers that this probe has tested against since then, those with the most tests first.

    Raises:
        StoreError: the store cannot be read.
    """
    query = (
        select(*_COLUMNS, *_NAMES)
        .join(servers)
        .where(runs.c.started_at >= int(since.timestamp()), of_probe(settings.probe.name))
        .where(runs.c.status.in_((Status.OK, Status.FAILED)))
        .where(servers.c.id.is_not(None) | servers.c.name.is_not(None) | servers.c.host.is_not(None))
        .order_by(runs.c.started_at)
    )
    with open_reader(settings.database.url) as connection:
        grouped = _by_server(connection.execute(query))
    return sorted((_stats(rows) for rows in grouped), key=lambda server: -server.runs)


def _by_server(rows: Iterable[Row[tuple[object, ...]]]) -> Iterable[list[Row[tuple[object, ...]]]]:
    """Group the rows by engine and server; a server without an id is known by its host or name."""
    groups: defaultdict[object, list[Row[tuple[object, ...]]]] = defaultdict(list)
    for row in rows:
        groups[row.engine, row.server_id or row.server_host or row.server_name].append(row)
    return groups.values()


def _stats(rows: list[Row[tuple[object, ...]]]) -> ServerStats:
    download, upload = _median(rows, "download_bps"), _median(rows, "upload_bps")
    return ServerStats(
        engine=rows[0].engine,
        id=rows[0].server_id,
        name=_newest(rows, "server_name") or _newest(rows, "server_host"),
        location=_newest(rows, "server_location"),
        country=_newest(rows, "server_country"),
        runs=len(rows),
        failures=sum(row.status == Status.FAILED for row in rows),
        download_bps=None if download is None else round(download),
        upload_bps=None if upload is None else round(upload),
        latency_ms=_median(rows, "latency_ms"),
    )


def _newest(rows: list[Row[tuple[object, ...]]], column: str) -> str | None:
    """Return the newest value of a column that is not empty; failed tests often have none."""
    return next((name for row in reversed(rows) if (name := getattr(row, column))), None)


def _median(rows: list[Row[tuple[object, ...]]], column: str) -> float | None:
    known = [value for row in rows if (value := getattr(row, column)) is not None]
    return median(known) if known else None
