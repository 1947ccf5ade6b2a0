"""How many tests fell short of the plan, and by how much. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMITS = (50, 80, 90)
"""The shares of the plan, in percent, for which a report counts the tests below."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of `tests` tests that can be compared with a plan, `count` missed the limit, which is in percent of the plan."""

    limit: int
    count: int
    tests: int

    @property
    def percent(self) -> float:
        """The share of the tests that missed the limit, in percent."""
        return 100 * self.count / self.tests


def below(values: NDArray[np.float64], promised: NDArray[np.float64]) -> tuple[Share, ...]:
    """Return for each of `LIMITS` how many values are below that share of the plan; empty without a plan."""
    comparable = ~np.isnan(values) & ~np.isnan(promised)
    tests = int(np.count_nonzero(comparable))
    # Multiplied by 100 instead of divided: whole numbers stay exact, so that 90 % is not below 90 %.
    counts = [int(np.count_nonzero(100 * values[comparable] < limit * promised[comparable])) for limit in LIMITS]
    return tuple(Share(limit, count, tests) for limit, count in zip(LIMITS, counts, strict=True)) if tests else ()


def above(values: NDArray[np.float64], promised: NDArray[np.float64]) -> Share | None:
    """Return how many values (latencies) are above the plan; None without a plan."""
    comparable = ~np.isnan(values) & ~np.isnan(promised)
    tests = int(np.count_nonzero(comparable))
    return Share(100, int(np.count_nonzero(values[comparable] > promised[comparable])), tests) if tests else None
