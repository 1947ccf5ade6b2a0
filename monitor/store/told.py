"""Reads: what the runs of a window name, each once: the engines with their versions, and the external addresses."""

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
    """What runs name, in order: engines as `ookla 1.2.0.84`, and external addresses."""

    engines: tuple[str, ...]
    addresses: tuple[str, ...]


def told(
    connection: Connection, *, since: datetime, until: datetime, path: Path | None, probes: Collection[int]
) -> Told:
    """Return what the runs name that started in [since, until); see `chosen`."""
    query = select(runs.c.engine, runs.c.engine_version, runs.c.external_ip).distinct()
    found = connection.execute(query.where(*chosen(since, until, path, probes))).all()
    engines = {f"{engine} {version}" if version else engine for engine, version, _ in found}
    return Told(tuple(sorted(engines)), tuple(sorted({address for *_, address in found if address})))
