"""Tests by hour of the local day and by weekday, to see when the line is slow. Pure.

Tests of an hour that is repeated when clocks are set back count under its name; an hour that is skipped has no tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitor import clock
from monitor.report.shares import below

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.report.promised import Promised

SHOWN = ("download_bps", "upload_bps", "latency_ms")
RATES = ("download_bps", "upload_bps")


@dataclass(frozen=True, slots=True)
class Slot:
    """The tests of one hour of the day, or of one weekday.

    Attributes:
        tests: trusted results.
        medians: by metric; one that was not measured is missing.
        below_plan: percent of the results below 90 % of the plan, by rate; one that no plan names is missing.
        failed: tests that failed or were interrupted.
    """

    tests: int
    medians: dict[str, float]
    below_plan: dict[str, float]
    failed: int


def by_hour(columns: Columns, plans: Promised, zone: ZoneInfo) -> tuple[Slot, ...]:
    """Return the 24 hours of the local day."""
    return _slots(columns, plans, clock.hours(clock.wall(columns.started, zone)), 24)


def by_weekday(columns: Columns, plans: Promised, zone: ZoneInfo) -> tuple[Slot, ...]:
    """Return the seven weekdays, Monday first."""
    return _slots(columns, plans, clock.weekdays(clock.wall(columns.started, zone)), 7)


def _slots(columns: Columns, plans: Promised, bins: NDArray[np.int64], count: int) -> tuple[Slot, ...]:
    """Return the tests by bin; `bins` has the number of the bin of each run, from 0 to `count` - 1."""
    trusted, broken = (
        columns.where(lambda attributes: attributes.trusted),
        columns.where(lambda attributes: attributes.broken),
    )
    values = {name: np.where(trusted, columns.values(name), np.nan) for name in SHOWN}
    promised = {name: plans.promised(columns, name) for name in RATES}
    return tuple(
        Slot(
            tests=int(np.count_nonzero(inside & trusted)),
            medians=_medians({name: numbers[inside] for name, numbers in values.items()}),
            below_plan=_short({name: (values[name][inside], promised[name][inside]) for name in RATES}),
            failed=int(np.count_nonzero(inside & broken)),
        )
        for inside in (bins == number for number in range(count))
    )


def _medians(values: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    measured = {name: numbers[~np.isnan(numbers)] for name, numbers in values.items()}
    return {name: float(np.median(numbers)) for name, numbers in measured.items() if len(numbers)}


def _short(pairs: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> dict[str, float]:
    """Return the percentage of results below the highest of the limits, from pairs of values and what was promised."""
    misses = {name: below(values, promised) for name, (values, promised) in pairs.items()}
    return {name: by_limit[-1].percent for name, by_limit in misses.items() if by_limit}
