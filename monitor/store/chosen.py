"""The condition for the runs of a read: those that started in [since, until), over a path, of some probes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from monitor.store.tables import runs

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from monitor.model import Path


def chosen(
    since: datetime, until: datetime, path: Path | None = None, probes: Collection[int] = ()
) -> list[ColumnElement[bool]]:
    """Return the conditions for runs that started in [since, until), over a path (None: any), of probes (empty: all).

    `probes` are primary keys, as `monitor.store.probes.named` returns them.
    """
    conditions = [runs.c.started_at >= epoch(since), runs.c.started_at < epoch(until)]
    if path is not None:
        conditions.append(runs.c.path == path)
    if probes:
        conditions.append(runs.c.probe_pk.in_(probes))
    return conditions


def epoch(moment: datetime) -> int:
    """Return a moment as epoch seconds, rounded up."""
    return math.ceil(moment.timestamp())
