"""Daily medians, and the days on which a line got slower or faster. The only home of ruptures and SciPy.

The extra `report` installs both. ruptures splits the daily medians where that fits them best (least
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

from monitor.analysis import calendar
from monitor.errors import UsageError
from monitor.system.installation import install_command

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.analysis.columns import Columns


# The fewest days with tests that make up a level.
MIN_LEVEL_DAYS = 5

# A change is reported if its corrected p-value is below this.
MAX_P_VALUE = 0.01

# The smallest change that is reported, as a fraction of the median before it.
MIN_RELATIVE_CHANGE = 0.05

# Three times the penalty of the Bayesian information criterion for a change of the mean; less finds changes in noise.
_PENALTY = 3.0

# Noise is taken to be at least this fraction of the level: otherwise a very steady line would change at every trifle.
_MIN_RELATIVE_NOISE = 0.005

# The median absolute deviation of a normal distribution, in standard deviations.
_MAD_OF_NORMAL = 0.6745

# A day further from the level than this many standard deviations is clipped as an outlier.
_OUTLIER_LIMIT = 3.0

# The highest correlation of a day with the next that is assumed: more cannot be told apart from a drift.
_MAX_AUTOCORRELATION = 0.8


@dataclass(frozen=True, slots=True)
class DailyMedians:
    """Days with trusted results, ascending, as days since 1970-01-01, and the median of a metric on each."""

    days: NDArray[np.int64]
    medians: NDArray[np.float64]


def daily_medians(columns: Columns, name: str, zone: ZoneInfo) -> DailyMedians:
    """Return the daily medians of a metric (the name of a field of `Run`), in its unit."""
    values = columns.values(name)
    used = columns.where(lambda attributes: attributes.trusted) & ~np.isnan(values)
    days = calendar.day_numbers(calendar.to_wall_clock(columns.started[used], zone))
    medians = calendar.group_medians(days, values[used])
    return DailyMedians(
        np.array([*medians], np.int64), np.array([median for _, median in medians.values()], np.float64)
    )


@dataclass(frozen=True, slots=True)
class LevelShift:
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


def find_level_shifts(daily: DailyMedians) -> tuple[LevelShift, ...] | Drift:
    """Return the changes of level, oldest first; or a drift if a straight line fits the days better than levels do.

    Raises:
        UsageError: ruptures is not installed.
    """
    ruptures, stats = import_libraries()
    if len(daily.medians) < 2 * MIN_LEVEL_DAYS or not daily.medians.any():
        return ()
    level = _remove_weekday_pattern(daily)
    noise = max(_estimate_noise(level), _MIN_RELATIVE_NOISE * float(np.max(np.abs(level))))
    signal = _clip_outliers(level, noise) / noise
    breakpoints = _find_breakpoints(ruptures, signal)
    factor = _autocorrelation_factor(signal, breakpoints)
    kept = _drop_weak_breakpoints(daily, level, [*breakpoints], stats, factor)
    return _find_drift(daily, signal, breakpoints, stats) or tuple(
        _measure_shift(daily, level, segments, stats, factor) for segments in _adjacent_segments(kept)
    )


def import_libraries() -> tuple[Any, Any]:
    """Return ruptures and scipy.stats.

    Raises:
        UsageError: they are not installed.
    """
    try:
        import ruptures  # noqa: PLC0415  large, and optional
        from scipy import stats  # noqa: PLC0415  large, and optional
    except ImportError as error:
        install = install_command("ruptures", "scipy")
        raise UsageError(f"finding the day of a change needs ruptures, which is not installed: {install}") from error
    return ruptures, stats


def _rolling_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of the week around each day, which no weekday pattern affects."""
    medians = np.median(sliding_window_view(values, calendar.DAYS_PER_WEEK), axis=1)
    return np.pad(medians, calendar.DAYS_PER_WEEK // 2, mode="edge")


def _remove_weekday_pattern(daily: DailyMedians) -> NDArray[np.float64]:
    """Return the medians without the usual deviation of each weekday from the week around it."""
    values = daily.medians
    if len(values) < 2 * calendar.DAYS_PER_WEEK:
        return values
    weekdays, residuals = daily.days % calendar.DAYS_PER_WEEK, values - _rolling_median(values)
    usual = np.array(
        [
            np.median(residuals[weekdays == day]) if np.any(weekdays == day) else 0.0
            for day in range(calendar.DAYS_PER_WEEK)
        ]
    )
    adjusted: NDArray[np.float64] = values - (usual - usual.mean())[weekdays]
    return adjusted


def _estimate_noise(level: NDArray[np.float64]) -> float:
    """Return the standard deviation from day to day; changes of level hardly affect it."""
    return float(np.median(np.abs(np.diff(level)))) / _MAD_OF_NORMAL / math.sqrt(2)


def _clip_outliers(level: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    usual = _rolling_median(level)
    clipped: NDArray[np.float64] = np.clip(level, usual - _OUTLIER_LIMIT * noise, usual + _OUTLIER_LIMIT * noise)
    return clipped


def _autocorrelation_factor(signal: NDArray[np.float64], breakpoints: list[int]) -> float:
    """Return by what factor autocorrelation widens the spread of a mean of several days.

    It is the square root of (1 + r) / (1 - r), where r is the correlation of the residuals of a day and the next.
    Residuals from means of the same data understate r; the bias is added (Marriott and Pope, Biometrika 41, 1954).
    """
    residuals = signal - _level_means(signal, breakpoints)
    bias = (len(breakpoints) - 1) / len(signal)
    r = float(np.sum(residuals[1:] * residuals[:-1]) / np.sum(residuals**2)) if residuals.any() else 0.0
    r = min(max((r + bias) / (1 - 3 * bias), 0.0), _MAX_AUTOCORRELATION)
    return math.sqrt((1 + r) / (1 - r))


def _level_means(signal: NDArray[np.float64], breakpoints: list[int]) -> NDArray[np.float64]:
    """Return for each day the mean of its level."""
    return np.concatenate([np.full(b - a, signal[a:b].mean()) for a, b in pairwise(breakpoints)])


def _find_breakpoints(ruptures: Any, signal: NDArray[np.float64]) -> list[int]:
    """Return the indices at which levels begin and end, from 0 to the number of days."""
    search = ruptures.KernelCPD(kernel="linear", min_size=MIN_LEVEL_DAYS).fit(signal.reshape(-1, 1))
    return [0, *map(int, search.predict(pen=_PENALTY * math.log(len(signal))))]


def _drop_weak_breakpoints(
    daily: DailyMedians, level: NDArray[np.float64], breakpoints: list[int], stats: Any, factor: float
) -> list[int]:
    """Remove breakpoints that chance explains or that are too small, the weakest first; return the rest."""
    while breakpoints[1:-1]:
        changes = [
            _measure_shift(daily, level, segments, stats, factor) for segments in _adjacent_segments(breakpoints)
        ]
        weak = [
            (change.p_value, at)
            for at, change in enumerate(changes, 1)
            if change.p_value >= MAX_P_VALUE or not _is_large_enough(change)
        ]
        if not weak:
            break
        del breakpoints[max(weak)[1]]
    return breakpoints


def _adjacent_segments(breakpoints: list[int]) -> list[tuple[int, int, int]]:
    """Return start, middle and end of each two adjacent segments."""
    return list(zip(breakpoints, breakpoints[1:], breakpoints[2:], strict=False))


def _measure_shift(
    daily: DailyMedians, level: NDArray[np.float64], segments: tuple[int, int, int], stats: Any, factor: float
) -> LevelShift:
    start, middle, end = segments
    candidates = max(len(level) - 2 * MIN_LEVEL_DAYS + 1, 1)
    independent = float(stats.mannwhitneyu(level[start:middle], level[middle:end]).pvalue)
    p_value = 2 * float(stats.norm.sf(stats.norm.isf(independent / 2) / factor))
    return LevelShift(
        last_day_before=int(daily.days[middle - 1]),
        first_day=int(daily.days[middle]),
        before=float(np.median(daily.medians[start:middle])),
        after=float(np.median(daily.medians[middle:end])),
        days_before=middle - start,
        days_after=end - middle,
        p_value=min(1.0, p_value * candidates),
    )


def _is_large_enough(change: LevelShift | Drift) -> bool:
    return abs(change.after - change.before) >= MIN_RELATIVE_CHANGE * abs(change.before)


def _find_drift(daily: DailyMedians, signal: NDArray[np.float64], breakpoints: list[int], stats: Any) -> Drift | None:
    """Return a drift if a straight line fits the days better than the levels do, by the information criterion."""
    line = np.polyval(np.polyfit(daily.days - daily.days[0], signal, 1), daily.days - daily.days[0])
    drift = Drift(
        float(np.median(daily.medians[: calendar.DAYS_PER_WEEK])),
        float(np.median(daily.medians[-calendar.DAYS_PER_WEEK :])),
        min(calendar.DAYS_PER_WEEK, len(signal)),
        float(stats.kendalltau(daily.days, signal).pvalue),
    )
    levels = _level_means(signal, breakpoints)
    is_better = _bayesian_criterion(signal, line, 2) < _bayesian_criterion(signal, levels, 2 * len(breakpoints) - 3)
    return drift if is_better and drift.p_value < MAX_P_VALUE and _is_large_enough(drift) else None


def _bayesian_criterion(signal: NDArray[np.float64], model: NDArray[np.float64], parameters: int) -> float:
    """Return the Bayesian information criterion (less is better) of a model with so many free parameters."""
    count = len(signal)
    return count * math.log(float(np.mean((signal - model) ** 2)) + 1e-9) + parameters * math.log(count)
