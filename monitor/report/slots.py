"""The tests by hour of the local day and by weekday: when is the line slow. Pure.

An hour that a change of the clocks repeats belongs to the one of its name; one that is skipped has no tests.
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
    """An hour or a weekday: trusted results, medians and shares of tests below 90 % of the plan by number, failures.

    A number that nothing was measured or promised of is missing from `medians` and `short`.
    """

    tests: int
    medians: dict[str, float]
    short: dict[str, float]
    failed: int


def by_hour(columns: Columns, promised: Promised, zone: ZoneInfo) -> tuple[Slot, ...]:
    """Return the 24 hours of the local day."""
    return _slots(columns, promised, clock.hours(clock.wall(columns.started, zone)), 24)


def by_weekday(columns: Columns, promised: Promised, zone: ZoneInfo) -> tuple[Slot, ...]:
    """Return the seven weekdays, Monday first."""
    return _slots(columns, promised, clock.weekdays(clock.wall(columns.started, zone)), 7)


def _slots(columns: Columns, promised: Promised, place: NDArray[np.int64], count: int) -> tuple[Slot, ...]:
    trusted, broken = columns.where(lambda sort: sort.trusted), columns.where(lambda sort: sort.broken)
    values = {name: np.where(trusted, columns.values(name), np.nan) for name in SHOWN}
    sold = {name: promised.sold(columns, name) for name in RATES}
    return tuple(
        Slot(
            tests=int(np.count_nonzero(inside & trusted)),
            medians=_medians({name: found[inside] for name, found in values.items()}),
            short=_short({name: (values[name][inside], sold[name][inside]) for name in RATES}),
            failed=int(np.count_nonzero(inside & broken)),
        )
        for inside in (place == at for at in range(count))
    )


def _medians(values: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    known = {name: found[~np.isnan(found)] for name, found in values.items()}
    return {name: float(np.median(found)) for name, found in known.items() if len(found)}


def _short(pairs: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> dict[str, float]:
    found = {name: below(values, sold) for name, (values, sold) in pairs.items()}
    return {name: shares[-1].percent for name, shares in found.items() if shares}
