"""Values by weekday and hour of the local day. Pure; a value is in the unit of its metric."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from monitor.graph.data import trusted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from monitor.graph.data import Metric
    from monitor.model import Run

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = range(24)


@dataclass(frozen=True, slots=True)
class Cell:
    """The trusted results of one hour of one weekday: how many, and their median."""

    count: int
    median: float


def cells(runs: Iterable[Run], zone: ZoneInfo, metric: Metric) -> dict[tuple[int, int], Cell]:
    """Return a cell for each (weekday from Monday = 0, hour) in which something was measured.

    An hour that a change of the clocks repeats belongs to the one of its name, one that is skipped has no runs.
    """
    found: dict[tuple[int, int], list[float]] = {}
    for run in runs:
        value = getattr(run, metric)
        if value is not None and trusted(run):
            local = run.started_at.astimezone(zone)
            found.setdefault((local.weekday(), local.hour), []).append(value)
    return {place: Cell(len(values), median(values)) for place, values in found.items()}
