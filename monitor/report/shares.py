"""How many of the tests stayed below a share of what was sold. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMITS = (50, 80, 90)
"""The shares of the plan, in percent, that a report counts the tests below of."""


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `tests` tests, and the limit in percent of the plan that they are beyond."""

    limit: int
    count: int
    tests: int

    @property
    def percent(self) -> float:
        """How many of a hundred."""
        return 100 * self.count / self.tests


def below(values: NDArray[np.float64], sold: NDArray[np.float64]) -> tuple[Share, ...]:
    """Return for each limit how many values are below that share of what was sold; empty where nothing was."""
    known = ~np.isnan(values) & ~np.isnan(sold)
    of = int(np.count_nonzero(known))
    # Times hundred, not by hundred: whole numbers stay whole, so that 90 % is not below 90 %.
    found = [int(np.count_nonzero(100 * values[known] < limit * sold[known])) for limit in LIMITS]
    return tuple(Share(limit, count, of) for limit, count in zip(LIMITS, found, strict=True)) if of else ()


def above(values: NDArray[np.float64], sold: NDArray[np.float64]) -> Share | None:
    """Return how many values are above what was sold, which is what counts for latency; None where nothing was."""
    known = ~np.isnan(values) & ~np.isnan(sold)
    of = int(np.count_nonzero(known))
    return Share(100, int(np.count_nonzero(values[known] > sold[known])), of) if of else None
