"""The days on which a line got slower or faster. The only module that imports ruptures and SciPy.

`pip install 'speedmon[report]'` installs both. ruptures splits the daily medians where that fits them best (least
squares with a penalty: Killick, Fearnhead and Eckley, "Optimal Detection of Changepoints With a Linear Computational
Cost", JASA 107, 2012). A split is kept if a Mann-Whitney test of the days before against the days after rejects chance
and the medians differ by enough. The p-value is raised for autocorrelation from day to day, then multiplied by the
number of days that could have been chosen (Bonferroni).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from monitor.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from monitor.report.daily import Daily

LEAST_DAYS = 5
"""The fewest days with tests that make up a level."""
SURE = 0.01
"""A change is reported if its corrected p-value is below this."""
MATTERS = 0.05
"""The smallest change that is reported, as a fraction of the median before it."""
WEEK = 7
# Three times the penalty of the Bayesian information criterion for a change of the mean; less finds changes in noise.
_PENALTY = 3.0
# Noise is taken to be at least this fraction of the level: otherwise a very steady line would change at every trifle.
_LEAST_NOISE = 0.005
# The median absolute deviation of a normal distribution, in standard deviations.
_MAD = 0.6745
# A day further from the level than this many standard deviations is clipped as an outlier.
_OUTLIER = 3.0
# The highest correlation of a day with the next that is assumed: more cannot be told apart from a drift.
_MOST_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Change:
    """A lasting change of the level, between two days with tests.

    Attributes:
        last_day_before: last day of the old level, in days since 1970-01-01.
        first_day: first day of the new level, in days since 1970-01-01. No day between the two has tests.
        before, after: medians of the daily medians of both levels.
        days_before, days_after: lengths of both levels, in days with tests.
        p_value: the probability of such a difference by chance alone, corrected.
    """

    last_day_before: int
    first_day: int
    before: float
    after: float
    days_before: int
    days_after: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Drift:
    """A gradual change: medians of the first and of the last `days` days, and the probability of it by chance."""

    before: float
    after: float
    days: int
    p_value: float


def changes(daily: Daily) -> tuple[Change, ...] | Drift:
    """Return the changes of level, oldest first; or a drift if a straight line fits the days better than levels do.

    Raises:
        UsageError: ruptures is not installed.
    """
    ruptures, stats = libraries()
    if len(daily.medians) < 2 * LEAST_DAYS or not daily.medians.any():
        return ()
    level = _without_weekdays(daily)
    noise = max(_noise(level), _LEAST_NOISE * float(np.max(np.abs(level))))
    signal = _without_outliers(level, noise) / noise
    breakpoints = _divided(ruptures, signal)
    factor = _inertia(signal, breakpoints)
    kept = _kept(daily, level, [*breakpoints], stats, factor)
    return _drift(daily, signal, breakpoints, stats) or tuple(
        _change(daily, level, segments, stats, factor) for segments in _parts(kept)
    )


def libraries() -> tuple[Any, Any]:
    """Return ruptures and scipy.stats.

    Raises:
        UsageError: they are not installed.
    """
    try:
        import ruptures  # noqa: PLC0415  large, and not everybody has it
        from scipy import stats  # noqa: PLC0415  the same
    except ImportError as error:
        raise UsageError(
            "finding the day of a change needs ruptures, which is not installed: pip install 'speedmon[report]'"
        ) from error
    return ruptures, stats


def _rolling(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of the week around each day, which no weekday pattern affects."""
    medians = np.median(sliding_window_view(values, WEEK), axis=1)
    return np.pad(medians, WEEK // 2, mode="edge")


def _without_weekdays(daily: Daily) -> NDArray[np.float64]:
    """Return the medians without the usual deviation of each weekday from the week around it."""
    values = daily.medians
    if len(values) < 2 * WEEK:
        return values
    weekdays, residuals = daily.days % WEEK, values - _rolling(values)
    usual = np.array([np.median(residuals[weekdays == day]) if np.any(weekdays == day) else 0.0 for day in range(WEEK)])
    adjusted: NDArray[np.float64] = values - (usual - usual.mean())[weekdays]
    return adjusted


def _noise(level: NDArray[np.float64]) -> float:
    """Return the standard deviation from day to day; changes of level hardly affect it."""
    return float(np.median(np.abs(np.diff(level)))) / _MAD / math.sqrt(2)


def _without_outliers(level: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    usual = _rolling(level)
    clipped: NDArray[np.float64] = np.clip(level, usual - _OUTLIER * noise, usual + _OUTLIER * noise)
    return clipped


def _inertia(signal: NDArray[np.float64], breakpoints: list[int]) -> float:
    """Return by what factor autocorrelation widens the spread of a mean of several days.

    It is the square root of (1 + r) / (1 - r), where r is the correlation of the residuals of a day and the next.
    Residuals from means of the same data understate r; the bias is added (Marriott and Pope, Biometrika 41, 1954).
    """
    residuals = signal - _levels(signal, breakpoints)
    bias = (len(breakpoints) - 1) / len(signal)
    r = float(np.sum(residuals[1:] * residuals[:-1]) / np.sum(residuals**2)) if residuals.any() else 0.0
    r = min(max((r + bias) / (1 - 3 * bias), 0.0), _MOST_ALIKE)
    return math.sqrt((1 + r) / (1 - r))


def _levels(signal: NDArray[np.float64], breakpoints: list[int]) -> NDArray[np.float64]:
    """Return for each day the mean of its level."""
    return np.concatenate([np.full(b - a, signal[a:b].mean()) for a, b in pairwise(breakpoints)])


def _divided(ruptures: Any, signal: NDArray[np.float64]) -> list[int]:
    """Return the indices at which levels begin and end, from 0 to the number of days."""
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_DAYS).fit(signal.reshape(-1, 1))
    return [0, *map(int, search.predict(pen=_PENALTY * math.log(len(signal))))]


def _kept(daily: Daily, level: NDArray[np.float64], breakpoints: list[int], stats: Any, factor: float) -> list[int]:
    """Remove breakpoints that chance explains or that are too small, the weakest first; return the rest."""
    while len(breakpoints) > 2:  # noqa: PLR2004  both ends
        changes = [_change(daily, level, segments, stats, factor) for segments in _parts(breakpoints)]
        weak = [
            (change.p_value, at)
            for at, change in enumerate(changes, 1)
            if change.p_value >= SURE or not _matters(change)
        ]
        if not weak:
            break
        del breakpoints[max(weak)[1]]
    return breakpoints


def _parts(breakpoints: list[int]) -> list[tuple[int, int, int]]:
    """Return start, middle and end of each two adjacent segments."""
    return list(zip(breakpoints, breakpoints[1:], breakpoints[2:], strict=False))


def _change(
    daily: Daily, level: NDArray[np.float64], segments: tuple[int, int, int], stats: Any, factor: float
) -> Change:
    start, middle, end = segments
    candidates = max(len(level) - 2 * LEAST_DAYS + 1, 1)
    independent = float(stats.mannwhitneyu(level[start:middle], level[middle:end]).pvalue)
    p_value = 2 * float(stats.norm.sf(stats.norm.isf(independent / 2) / factor))
    return Change(
        last_day_before=int(daily.days[middle - 1]),
        first_day=int(daily.days[middle]),
        before=float(np.median(daily.medians[start:middle])),
        after=float(np.median(daily.medians[middle:end])),
        days_before=middle - start,
        days_after=end - middle,
        p_value=min(1.0, p_value * candidates),
    )


def _matters(change: Change | Drift) -> bool:
    return abs(change.after - change.before) >= MATTERS * abs(change.before)


def _drift(daily: Daily, signal: NDArray[np.float64], breakpoints: list[int], stats: Any) -> Drift | None:
    """Return a drift if a straight line fits the days better than the levels do, by the information criterion."""
    line = np.polyval(np.polyfit(daily.days - daily.days[0], signal, 1), daily.days - daily.days[0])
    drift = Drift(
        float(np.median(daily.medians[:WEEK])),
        float(np.median(daily.medians[-WEEK:])),
        min(WEEK, len(signal)),
        float(stats.kendalltau(daily.days, signal).pvalue),
    )
    levels = _levels(signal, breakpoints)
    is_better = _schwarz(signal, line, 2) < _schwarz(signal, levels, 2 * len(breakpoints) - 3)
    return drift if is_better and drift.p_value < SURE and _matters(drift) else None


def _schwarz(signal: NDArray[np.float64], model: NDArray[np.float64], parameters: int) -> float:
    """Return the Bayesian information criterion (less is better) of a model with so many free parameters."""
    count = len(signal)
    return count * math.log(float(np.mean((signal - model) ** 2)) + 1e-9) + parameters * math.log(count)
