"""Tests held against a rule profile: each condition fulfilled, not fulfilled or open, with the figures behind it. Pure.

Trusted tests count that have the number, and a level to reach: a failed test has no number, and none stands for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from monitor import clock
from monitor.report.profile import DaysWithMiss, DaysWithout, TooFewTests

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.report.profile import Level, OfDays, Profile, Rule, Sample
    from monitor.report.promised import Promised

MINUTE = 60


class Answer(StrEnum):
    """What came of a condition; the value is what a report says."""

    MET = "met"
    NOT_MET = "not met"
    OPEN = "not enough data"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A condition with its answer and the figures that led to it.

    `tests` on `days` local days count; `reached` of the tests reached the level; `bad_days` are the days that the
    condition counts (None: it counts tests), `needed` is how many of them, or of the tests, would have fulfilled it:
    so many days at least, or fewer than so many tests that reached the level. The last four say how many tests were
    left out: after too short a pause, on days with too few, and for want of a plan. `lacking` says what is too little.
    """

    condition: Rule
    answer: Answer
    tests: int
    days: int
    reached: int
    bad_days: int | None
    needed: int
    too_close: int
    thin_days: int
    unsold: int
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A profile and what came of each of its conditions."""

    profile: Profile
    outcomes: tuple[Outcome, ...]

    @property
    def answer(self) -> Answer:
        """What came of all: one that is met suffices, and all must be answered to say that none is."""
        answers = {outcome.answer for outcome in self.outcomes}
        return next(answer for answer in (Answer.MET, Answer.OPEN, Answer.NOT_MET) if answer in answers)


def verdict(columns: Columns, promised: Promised, zone: ZoneInfo, profile: Profile) -> Verdict:
    """Return the outcome of each condition of a profile."""
    days = clock.days(clock.wall(columns.started, zone))
    trusted = columns.where(lambda sort: sort.trusted)
    return Verdict(
        profile, tuple(_outcome(columns, days, trusted, promised, profile.sample, each) for each in profile.conditions)
    )


def _outcome(  # noqa: PLR0913, PLR0917  the runs, as arrays
    columns: Columns,
    days: NDArray[np.int64],
    trusted: NDArray[np.bool_],
    promised: Promised,
    sample: Sample,
    condition: Rule,
) -> Outcome:
    values = columns.values(condition.field)
    measured = trusted & ~np.isnan(values)
    wanted = _wanted(condition.level, promised.sold(columns, condition.field))
    known = measured & ~np.isnan(wanted)
    spaced = known.copy()
    spaced[known] = _apart(columns.started[known], sample.spacing_min * MINUTE)
    used = spaced.copy()
    used[spaced] = _full_days(days[spaced], sample.tests_per_day)
    # Times hundred on both sides, so that whole rates are compared as they are.
    shortfall = wanted - 100 * values
    reached = (shortfall if condition.metric != "latency" else -shortfall)[used] <= 0
    close, thin, unsold = (int(np.count_nonzero(mask)) for mask in (known & ~spaced, spaced & ~used, measured & ~known))
    return _judged(condition, sample, days[used], reached, (close, thin, unsold))


def _wanted(level: Level, sold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a hundred times what each test has to reach, in the unit of its number; NaN where nothing was sold."""
    if level.percent_of_plan is not None:
        return level.percent_of_plan * sold
    fixed = round(level.mbit_s * 1e6) if level.mbit_s is not None else level.ms or 0.0
    return np.full(len(sold), 100 * fixed)


def _apart(started: NDArray[np.int64], least_s: float) -> NDArray[np.bool_]:
    """Return which ascending moments remain when each is at least so long after the last that remains."""
    keep = np.ones(len(started), bool)
    if least_s <= 0 or bool(np.all(np.diff(started) >= least_s)):
        return keep
    keep[:] = False
    at = 0
    while at < len(started):
        keep[at] = True
        at = int(np.searchsorted(started, started[at] + least_s))
    return keep


def _full_days(days: NDArray[np.int64], least: int) -> NDArray[np.bool_]:
    """Return which tests are on a day that has enough of them."""
    _, place, counts = np.unique(days, return_inverse=True, return_counts=True)
    full: NDArray[np.bool_] = counts[place] >= least
    return full


def _judged(
    condition: Rule,
    sample: Sample,
    days: NDArray[np.int64],
    reached: NDArray[np.bool_],
    unused: tuple[int, int, int],
) -> Outcome:
    names, place = np.unique(days, return_inverse=True)
    good = np.bincount(place, weights=reached, minlength=len(names))
    tests = np.bincount(place, minlength=len(names))
    bad_days: int | None = None
    match condition:
        case DaysWithout():
            bad_days, needed = int(np.count_nonzero(good == 0)), _scaled(condition, len(names))
        case DaysWithMiss():
            bad_days, needed = int(np.count_nonzero(good < tests)), _scaled(condition, len(names))
        case TooFewTests():
            needed = math.ceil(condition.percent * len(days) / 100)
    met = bad_days >= needed if bad_days is not None else int(reached.sum()) < needed
    lacking = _lacking(sample, len(days), len(names), unused[-1])
    answer = Answer.OPEN if lacking else Answer.MET if met else Answer.NOT_MET
    counted = (len(days), len(names), int(reached.sum()))
    return Outcome(condition, answer, *counted, bad_days, needed, *unused, lacking=lacking)


def _scaled(condition: OfDays, days: int) -> int:
    """Return on how many of so many days a condition is fulfilled: two of three are twenty of thirty."""
    return math.ceil(condition.days * days / condition.of_days) if condition.of_days else condition.days


def _lacking(sample: Sample, tests: int, days: int, unsold: int) -> str:
    if not tests and unsold:
        return "the plan names no such speed"
    if tests < sample.tests:
        return f"{tests:,} of at least {sample.tests:,} tests that count"
    return f"{days:,} of at least {sample.days:,} days with enough tests" if days < sample.days else ""
