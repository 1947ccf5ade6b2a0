"""The y axis of a panel: unit, round ticks from 0, and the rule for outliers. Pure; values are bit/s or ms."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING, Any

from monitor.graph.units import rate_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from monitor.graph.data import Metric

# The few values that are this many times higher than the others are cut off and marked, so as not to flatten the rest.
OUTLIER_FACTOR = 3.0
OUTLIERS_PER_VALUES = 100
FEWEST_VALUES_TO_CUT = 5
HEADROOM = 1.06
ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from 0 to `top` with round `ticks`, in bit/s or ms; labels show value / `divisor`, in `unit`."""

    top: float
    ticks: tuple[float, ...]
    divisor: float
    unit: str


def scale(metric: Metric, values: NDArray[Any], promised: float | None) -> Scale:
    """Return the axis for values, which get reordered; it always includes the promised value."""
    smallest_top, empty_top = (1e3, 100e6) if metric.is_rate else (0.1, 10.0)
    highest = max(_highest_to_show(values) if len(values) else 0.0, promised or 0.0)
    top = max(highest or empty_top, smallest_top) * HEADROOM
    step = _round_step(top)
    divisor, unit = rate_unit(top) if metric.is_rate else (1.0, "ms")
    return Scale(top, tuple(index * step for index in range(floor(top / step) + 1)), divisor, unit)


def _highest_to_show(values: NDArray[Any]) -> float:
    highest = float(values.max())
    if len(values) < FEWEST_VALUES_TO_CUT:
        return highest
    place = len(values) - 1 - max(1, len(values) // OUTLIERS_PER_VALUES)
    values.partition(place)
    usual = float(values[place])
    return highest if highest <= OUTLIER_FACTOR * usual or not usual else usual * 1.2


def _round_step(top: float) -> float:
    """Return 1, 2, 2.5 or 5 times a power of ten, such that two to five steps fit into `wanted`."""
    rough = top / 5
    power = 10.0 ** floor(log10(rough))
    return next(step * power for step in ROUND_STEPS if step * power >= rough * (1 - 1e-9))
