"""The median and the 5th and 95th percentile of values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 20
"""With fewer values than this the 5th percentile says little; reports mark it."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, 5th and 95th percentile of `tests` values, in their unit."""

    tests: int
    median: float
    p5: float
    p95: float

    @property
    def few(self) -> bool:
        """Whether there are too few for percentiles to say much."""
        return self.tests < FEW


def spread_of(values: NDArray[Any]) -> Spread | None:
    """Return the percentiles of values, which get reordered; None without any.

    Percentiles are those of definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American
    Statistician 50 (1996), the default of NumPy, R and Excel's PERCENTILE.INC.
    """
    if not len(values):
        return None
    p5, median, p95 = np.percentile(values, [5, 50, 95], overwrite_input=True).tolist()
    return Spread(len(values), median, p5, p95)
