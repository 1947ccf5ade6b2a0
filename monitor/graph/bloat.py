"""Bufferbloat: how much latency rises under load, and its grade. Pure; times in ms.

The grade is that of DSLReports (https://www.dslreports.com/faq/17930): the mean of the rise under download and the rise
under upload, or the one of them that was measured. A graph grades the median rise of its runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.graph.data import LOADED, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from monitor.columns import Columns

LIMITS = ((5, "A+"), (30, "A"), (60, "B"), (200, "C"), (400, "D"))
WORST = "F"


def rises(runs: Columns) -> NDArray[np.float64]:
    """Return the rise of latency under load, at least 0, of each run that measured it."""
    idle, *loaded = (runs.values(metric) for metric in (Metric.LATENCY, *LOADED))
    known = [~np.isnan(latencies) for latencies in loaded]
    measured = runs.where(lambda run: run.trusted) & ~np.isnan(idle) & (known[0] | known[1])
    busy = sum(np.nan_to_num(latencies[measured]) for latencies in loaded) / (known[0].astype(int) + known[1])[measured]
    return np.maximum(busy - idle[measured], 0.0)


def grade(rise_ms: float) -> str:
    """Return the grade of a rise: A+ below 5 ms, F from 400 ms on."""
    return next((letter for limit, letter in LIMITS if rise_ms < limit), WORST)
