"""Which runs a read is about: those that started in a window, [since, until), over some paths and of some probes."""

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
    """Return the conditions for runs that started in [since, until), over a path (None: any), of probes (none: all).

    `probes` are rows of probes, as `monitor.store.probes.named` finds them.
    """
    found = [runs.c.started_at >= epoch(since), runs.c.started_at < epoch(until)]
    if path is not None:
        found.append(runs.c.path == path)
    if probes:
        found.append(runs.c.probe_pk.in_(probes))
    return found


def epoch(moment: datetime) -> int:
    """Return the first whole second that is not before a moment."""
    return math.ceil(moment.timestamp())
