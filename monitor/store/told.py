"""Reads: what the runs of a window name, each once: the engines with their versions, and the external addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from monitor.store.tables import runs

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection

    from monitor.model import Path


@dataclass(frozen=True, slots=True)
class Told:
    """What runs name, in order: engines as `ookla 1.2.0.84`, and external addresses."""

    engines: tuple[str, ...]
    addresses: tuple[str, ...]


def told(
    connection: Connection, *, since: datetime, until: datetime, path: Path | None, probes: Collection[int]
) -> Told:
    """Return what the runs name that started in [since, until); all but `connection` is as in `read.runs`."""
    query = select(runs.c.engine, runs.c.engine_version, runs.c.external_ip).distinct()
    query = query.where(runs.c.started_at >= int(since.timestamp()), runs.c.started_at < int(until.timestamp()))
    if path is not None:
        query = query.where(runs.c.path == path)
    if probes:
        query = query.where(runs.c.probe_pk.in_(probes))
    found = connection.execute(query).all()
    engines = {f"{engine} {version}" if version else engine for engine, version, _ in found}
    return Told(tuple(sorted(engines)), tuple(sorted({address for *_, address in found if address})))
