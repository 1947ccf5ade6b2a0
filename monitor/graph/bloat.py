"""How much slower answers come while the line is busy (bufferbloat), and the grade of it. Pure; times in ms.

The grade is that of DSLReports (https://www.dslreports.com/faq/17930): the mean of the rise under download and the rise
under upload. Where a run tells one of them only, that one is taken. A picture grades the median rise of its runs.
"""

from __future__ import annotations

from statistics import fmean, median
from typing import TYPE_CHECKING

from monitor.graph.data import trusted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.model import Run

LIMITS = ((5, "A+"), (30, "A"), (60, "B"), (200, "C"), (400, "D"))
WORST = "F"


def rise(run: Run) -> float | None:
    """Return by how much a run's latency rose under load, never below 0; None where it was not measured."""
    if not trusted(run) or run.latency_ms is None:
        return None
    loaded = [value for value in (run.download_latency_ms, run.upload_latency_ms) if value is not None]
    return max(fmean(loaded) - run.latency_ms, 0.0) if loaded else None


def median_rise(runs: Iterable[Run]) -> float | None:
    """Return the median rise of the runs that tell it."""
    found = [value for run in runs if (value := rise(run)) is not None]
    return median(found) if found else None


def grade(rise_ms: float) -> str:
    """Return the letter for a rise: A+ below 5 ms, F from 400 ms on."""
    return next((letter for limit, letter in LIMITS if rise_ms < limit), WORST)
