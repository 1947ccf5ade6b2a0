"""The days on which a line got slower or faster: the one home of ruptures and scipy.

`pip install 'speedmon[report]'` brings them. ruptures divides the daily medians where that explains them best (least
squares with a penalty: Killick, Fearnhead and Eckley, "Optimal Detection of Changepoints With a Linear Computational
Cost", JASA 107, 2012). Each division has to stand the test of Mann and Whitney, days before against days after, whose
p value is made less sure where days resemble the days before them, then multiplied by the number of days that could
have been chosen (Bonferroni); and it has to matter.
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
"""A level is one that lasts for so many days with tests at least."""
SURE = 0.01
"""The p value that a change must be below of, corrected."""
MATTERS = 0.05
"""How much of the median before a change must be."""
WEEK = 7
# Three times what the criterion of Schwarz asks of a change of the mean, less than that finds changes in noise.
_PENALTY = 3.0
# Noise is at least this part of the level: a line that never varies would change by any trifle.
_LEAST_NOISE = 0.005
# The median absolute deviation of a normal distribution, in standard deviations.
_MAD = 0.6745
# From so many standard deviations on, a day is an exception and no part of the level.
_OUTLIER = 3.0
# Days resemble the days before them at most so much, as a correlation: what is more cannot be told from a drift.
_MOST_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the level: `day` is the first of the new one, `eve` the last of the old one (days since 1970).

    Between the two no day has tests. Medians are those of the daily medians of the `days_before` and `days_after` days
    of both levels; `p` is how likely chance alone makes as much of a difference.
    """

    eve: int
    day: int
    before: float
    after: float
    days_before: int
    days_after: int
    p: float


@dataclass(frozen=True, slots=True)
class Drift:
    """A change without a day: medians of the first and of the last `days` days, and how likely chance makes it."""

    before: float
    after: float
    days: int
    p: float


def changes(daily: Daily) -> tuple[Change, ...] | Drift:
    """Return the changes of daily medians, oldest first, none if there are none; or a drift, which has no day.

    Raises:
        UsageError: ruptures is not installed.
    """
    ruptures, stats = libraries()
    if len(daily.medians) < 2 * LEAST_DAYS or not daily.medians.any():
        return ()
    level = _without_weekdays(daily)
    noise = max(_noise(level), _LEAST_NOISE * float(np.max(np.abs(level))))
    signal = _without_outliers(level, noise) / noise
    places = _divided(ruptures, signal)
    inertia = _inertia(signal, places)
    found = _kept(daily, level, [*places], stats, inertia)
    return _drift(daily, signal, places, stats) or tuple(
        _change(daily, level, part, stats, inertia) for part in _parts(found)
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
            "to find the day of a change needs ruptures, which is not installed: pip install 'speedmon[report]'"
        ) from error
    return ruptures, stats


def _rolling(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of the week around each day: the level, whatever the days of the week are like."""
    around = np.median(sliding_window_view(values, WEEK), axis=1)
    return np.pad(around, WEEK // 2, mode="edge")


def _without_weekdays(daily: Daily) -> NDArray[np.float64]:
    """Return the medians less what each day of the week usually is above or below the week around it."""
    values = daily.medians
    if len(values) < 2 * WEEK:
        return values
    weekdays, left = daily.days % WEEK, values - _rolling(values)
    usual = np.array([np.median(left[weekdays == day]) if np.any(weekdays == day) else 0.0 for day in range(WEEK)])
    adjusted: NDArray[np.float64] = values - (usual - usual.mean())[weekdays]
    return adjusted


def _noise(level: NDArray[np.float64]) -> float:
    """Return the standard deviation from day to day, whatever the level does."""
    return float(np.median(np.abs(np.diff(level)))) / _MAD / math.sqrt(2)


def _without_outliers(level: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    usual = _rolling(level)
    clipped: NDArray[np.float64] = np.clip(level, usual - _OUTLIER * noise, usual + _OUTLIER * noise)
    return clipped


def _inertia(signal: NDArray[np.float64], places: list[int]) -> float:
    """Return how much wider than those of independent days the means of days that resemble the day before spread.

    It is the root of (1 + r) / (1 - r), r being the correlation of a day with the next, both less the mean of their
    level: with what is lost by taking the means from the same days added (Marriott and Pope, Biometrika 41, 1954).
    """
    left = signal - _levels(signal, places)
    lost = (len(places) - 1) / len(signal)
    found = float(np.sum(left[1:] * left[:-1]) / np.sum(left**2)) if left.any() else 0.0
    r = min(max((found + lost) / (1 - 3 * lost), 0.0), _MOST_ALIKE)
    return math.sqrt((1 + r) / (1 - r))


def _levels(signal: NDArray[np.float64], places: list[int]) -> NDArray[np.float64]:
    """Return for each day the mean of its level."""
    return np.concatenate([np.full(b - a, signal[a:b].mean()) for a, b in pairwise(places)])


def _divided(ruptures: Any, signal: NDArray[np.float64]) -> list[int]:
    """Return the places where levels begin and end, from 0 to the number of days."""
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_DAYS).fit(signal.reshape(-1, 1))
    return [0, *map(int, search.predict(pen=_PENALTY * math.log(len(signal))))]


def _kept(daily: Daily, level: NDArray[np.float64], places: list[int], stats: Any, inertia: float) -> list[int]:
    """Return the places without those that chance explains or that do not matter, the weakest taken out first."""
    while len(places) > 2:  # noqa: PLR2004  both ends
        judged = [_change(daily, level, part, stats, inertia) for part in _parts(places)]
        weak = [(each.p, at) for at, each in enumerate(judged, 1) if each.p >= SURE or not _matters(each)]
        if not weak:
            break
        del places[max(weak)[1]]
    return places


def _parts(places: list[int]) -> list[tuple[int, int, int]]:
    return list(zip(places, places[1:], places[2:], strict=False))


def _change(daily: Daily, level: NDArray[np.float64], part: tuple[int, int, int], stats: Any, inertia: float) -> Change:
    start, at, end = part
    possible = max(len(level) - 2 * LEAST_DAYS + 1, 1)
    alone = float(stats.mannwhitneyu(level[start:at], level[at:end]).pvalue)
    p = 2 * float(stats.norm.sf(stats.norm.isf(alone / 2) / inertia))
    medians = (float(np.median(daily.medians[start:at])), float(np.median(daily.medians[at:end])))
    return Change(int(daily.days[at - 1]), int(daily.days[at]), *medians, at - start, end - at, min(1.0, p * possible))


def _matters(change: Change | Drift) -> bool:
    return abs(change.after - change.before) >= MATTERS * abs(change.before)


def _drift(daily: Daily, signal: NDArray[np.float64], places: list[int], stats: Any) -> Drift | None:
    """Return the drift where a straight line tells the days better than the levels between places, by Schwarz."""
    line = np.polyval(np.polyfit(daily.days - daily.days[0], signal, 1), daily.days - daily.days[0])
    found = Drift(
        float(np.median(daily.medians[:WEEK])),
        float(np.median(daily.medians[-WEEK:])),
        min(WEEK, len(signal)),
        float(stats.kendalltau(daily.days, signal).pvalue),
    )
    better = _schwarz(signal, line, 2) < _schwarz(signal, _levels(signal, places), 2 * len(places) - 3)
    return found if better and found.p < SURE and _matters(found) else None


def _schwarz(signal: NDArray[np.float64], model: NDArray[np.float64], numbers: int) -> float:
    """Return the criterion of Schwarz (BIC), in which less is better, of a model with so many free numbers."""
    count = len(signal)
    return count * math.log(float(np.mean((signal - model) ** 2)) + 1e-9) + numbers * math.log(count)
