"""What is counted of one window: the same for the window of the report and for the one before it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.numbers import UNITS
from monitor.report import shares
from monitor.report.downtime import downtime
from monitor.report.faults import tally
from monitor.report.watch import watch
from monitor.spread import spread_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.columns import Columns
    from monitor.graph.data import Window
    from monitor.incidents import Incident
    from monitor.report.downtime import Downtime
    from monitor.report.faults import Tally
    from monitor.report.promised import Promised
    from monitor.report.shares import Share
    from monitor.report.watch import Watch
    from monitor.spread import Spread

RATES = ("download_bps", "upload_bps")


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of the attempts, how the numbers spread (by name, those that were measured) and stand to the plan.

    `short` holds for each rate that was sold the shares of tests below 50, 80 and 90 % of it, `late` the share above
    the latency that was sold.
    """

    tally: Tally
    spreads: dict[str, Spread]
    short: dict[str, tuple[Share, ...]]
    late: Share | None
    watched: Watch
    downtime: Downtime


def figures(columns: Columns, window: Window, incidents: Iterable[Incident], promised: Promised) -> Figures:
    """Return what is counted of the runs of a window; only trusted ones speak for the line."""
    trusted = columns.select(columns.where(lambda sort: sort.trusted))
    spreads = {name: spread_of(trusted.measured(name)) for name in UNITS if name in columns.numbers}
    short = {name: shares.below(trusted.values(name), promised.sold(trusted, name)) for name in RATES}
    watched = watch(columns)
    return Figures(
        tally=tally(columns),
        spreads={name: found for name, found in spreads.items() if found},
        short={name: found for name, found in short.items() if found},
        late=shares.above(trusted.values("latency_ms"), promised.sold(trusted, "latency_ms")),
        watched=watched,
        downtime=downtime(incidents, watched, window),
    )
