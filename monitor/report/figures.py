"""The statistics of one window: of the report's own, and of the one before it if both are compared. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.numbers import UNITS
from monitor.report import shares
from monitor.report.downtime import downtime
from monitor.report.faults import tally
from monitor.report.slots import RATES
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


@dataclass(frozen=True, slots=True)
class Figures:
    """The statistics of a window.

    Attributes:
        counts: the attempts by outcome.
        spreads: median and percentiles by metric; a metric without trusted results is missing.
        below_plan: for each rate that the plan names, the tests below 50, 80 and 90 % of it.
        above_plan: the tests whose latency is above that of the plan; None without such a plan.
        watched: when the line was watched.
        downtime: how long it was down of that time.
    """

    counts: Tally
    spreads: dict[str, Spread]
    below_plan: dict[str, tuple[Share, ...]]
    above_plan: Share | None
    watched: Watch
    downtime: Downtime


def figures(columns: Columns, window: Window, incidents: Iterable[Incident], plans: Promised) -> Figures:
    """Return the statistics of the runs of a window; metrics are those of trusted runs only."""
    trusted = columns.select(columns.where(lambda attributes: attributes.trusted))
    spreads = {name: spread_of(trusted.measured(name)) for name in UNITS if name in columns.numbers}
    below = {name: shares.below(trusted.values(name), plans.promised(trusted, name)) for name in RATES}
    watched = watch(columns)
    return Figures(
        counts=tally(columns),
        spreads={name: spread for name, spread in spreads.items() if spread},
        below_plan={name: misses for name, misses in below.items() if misses},
        above_plan=shares.above(trusted.values("latency_ms"), plans.promised(trusted, "latency_ms")),
        watched=watched,
        downtime=downtime(incidents, watched, window),
    )
