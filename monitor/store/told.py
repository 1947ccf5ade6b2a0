"""The engines, with their versions, and the external addresses that occur in the runs of a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from monitor.store.chosen import chosen
from monitor.store.tables import runs

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection

    from monitor.model import Path


@dataclass(frozen=True, slots=True)
class Told:
    """The distinct names in the runs of a window, sorted: engines as `ookla 1.2.0.84`, and external addresses."""

    engines: tuple[str, ...]
    addresses: tuple[str, ...]


def told(
    connection: Connection, *, since: datetime, until: datetime, path: Path | None, probes: Collection[int]
) -> Told:
    """Return the names in the runs that started in [since, until); `path` and `probes` as in `chosen`."""
    query = select(runs.c.engine, runs.c.engine_version, runs.c.external_ip).distinct()
    rows = connection.execute(query.where(*chosen(since, until, path, probes))).all()
    engines = {f"{engine} {version}" if version else engine for engine, version, _ in rows}
    return Told(tuple(sorted(engines)), tuple(sorted({address for *_, address in rows if address})))
