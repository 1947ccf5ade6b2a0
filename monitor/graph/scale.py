"""The y axis of a panel: unit, round ticks from 0, and the rule for outliers. Pure; values are bit/s or ms."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.data import Metric

# A few values that are so many times higher than all others are cut, marked and told, not allowed to flatten the rest.
OUTLIER_FACTOR = 3.0
OUTLIERS_PER_VALUES = 100
FEWEST_VALUES_TO_CUT = 5
HEADROOM = 1.06
ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
RATE_UNITS = ((2e9, 1e9, "Gbit/s"), (1e6, 1e6, "Mbit/s"), (0.0, 1e3, "kbit/s"))


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from 0 to `top` with round `ticks`, all in bit/s or ms; what is shown is value / `divisor`, in `unit`."""

    top: float
    ticks: tuple[float, ...]
    divisor: float
    unit: str


def scale(metric: Metric, ordered: Sequence[float], sold: float | None) -> Scale:
    """Return the axis for ascending values and what the plan promises, which is always in view."""
    least, usual = (1e3, 100e6) if metric.is_rate else (0.1, 10.0)
    highest = max(_highest_to_show(ordered) if ordered else 0.0, sold or 0.0)
    wanted = max(highest or usual, least) * HEADROOM
    step = _round_step(wanted)
    divisor, unit = rate_unit(wanted) if metric.is_rate else (1.0, "ms")
    return Scale(wanted, tuple(index * step for index in range(floor(wanted / step) + 1)), divisor, unit)


def rate_unit(highest: float) -> tuple[float, str]:
    """Return the divisor and the unit that suit rates up to `highest` bit/s."""
    return next((divisor, unit) for least, divisor, unit in RATE_UNITS if highest >= least)


def _highest_to_show(ordered: Sequence[float]) -> float:
    if len(ordered) < FEWEST_VALUES_TO_CUT:
        return ordered[-1]
    outliers = max(1, len(ordered) // OUTLIERS_PER_VALUES)
    usual = ordered[-outliers - 1]
    return ordered[-1] if ordered[-1] <= OUTLIER_FACTOR * usual or not usual else usual * 1.2


def _round_step(wanted: float) -> float:
    """Return 1, 2, 2.5 or 5 times a power of ten, such that two to five steps fit into `wanted`."""
    rough = wanted / 5
    power = 10.0 ** floor(log10(rough))
    return next(step * power for step in ROUND_STEPS if step * power >= rough * (1 - 1e-9))
