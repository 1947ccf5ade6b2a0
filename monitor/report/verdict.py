"""Compares tests with a rule profile: each condition is met, not met or undecided, with the figures behind it. Pure.

Only trusted tests that measured the metric and have a level to reach count. A failed test does not count as 0.
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
    """The answer to a condition, as a report prints it."""

    MET = "met"
    NOT_MET = "not met"
    OPEN = "not enough data"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A condition, its answer and the figures that led to it.

    Attributes:
        tests, days: how many tests count, and on how many local days.
        reached: how many of the tests reached the level.
        bad_days: on how many days the condition was true; None for a condition that counts tests.
        needed: the least `bad_days` that meet the condition; for one that counts tests, `reached` must be below it.
        too_close, on_thin_days, without_plan: tests that do not count, because they came too soon after another, on a
            day with too few tests, or without a plan to compare with.
        shortage: what there is too little of for an answer; empty if there is enough.
    """

    condition: Rule
    answer: Answer
    tests: int
    days: int
    reached: int
    bad_days: int | None
    needed: int
    too_close: int
    on_thin_days: int
    without_plan: int
    shortage: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A profile and the result of each of its conditions."""

    profile: Profile
    results: tuple[Outcome, ...]

    @property
    def answer(self) -> Answer:
        """The answer as a whole: met if one condition is; not met only if all conditions have an answer."""
        answers = {result.answer for result in self.results}
        return next(answer for answer in (Answer.MET, Answer.OPEN, Answer.NOT_MET) if answer in answers)


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs to judge, with the local day of each and whether it is trusted."""

    columns: Columns
    plans: Promised
    days: NDArray[np.int64]
    trusted: NDArray[np.bool_]


def verdict(columns: Columns, plans: Promised, zone: ZoneInfo, profile: Profile) -> Verdict:
    """Judge runs by each condition of a profile."""
    days = clock.days(clock.wall(columns.started, zone))
    runs = _Runs(columns, plans, days, columns.where(lambda attributes: attributes.trusted))
    return Verdict(profile, tuple(_outcome(runs, profile.sample, condition) for condition in profile.conditions))


def _outcome(runs: _Runs, sample: Sample, condition: Rule) -> Outcome:
    values = runs.columns.values(condition.field)
    measured = runs.trusted & ~np.isnan(values)
    required = _wanted(condition.level, runs.plans.promised(runs.columns, condition.field))
    comparable = measured & ~np.isnan(required)
    spaced = comparable.copy()
    spaced[comparable] = _apart(runs.columns.started[comparable], sample.spacing_min * MINUTE)
    used = spaced.copy()
    used[spaced] = _full_days(runs.days[spaced], sample.tests_per_day)
    # Multiplied by 100 on both sides, so that whole rates are compared exactly.
    shortfall = required - 100 * values
    reached = (shortfall if condition.metric != "latency" else -shortfall)[used] <= 0
    left_out = (comparable & ~spaced, spaced & ~used, measured & ~comparable)
    close, thin, without_plan = (int(np.count_nonzero(mask)) for mask in left_out)
    return _judged(condition, sample, runs.days[used], reached, (close, thin, without_plan))


def _wanted(level: Level, promised: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 100 times what each test must reach, in the metric's unit; NaN where the plan promises nothing."""
    if level.percent_of_plan is not None:
        return level.percent_of_plan * promised
    fixed = round(level.mbit_s * 1e6) if level.mbit_s is not None else level.ms or 0.0
    return np.full(len(promised), 100 * fixed)


def _apart(started: NDArray[np.int64], spacing_s: float) -> NDArray[np.bool_]:
    """Select from ascending times those that are at least so long after the one selected before."""
    selected = np.ones(len(started), bool)
    if spacing_s <= 0 or bool(np.all(np.diff(started) >= spacing_s)):
        return selected
    selected[:] = False
    at = 0
    while at < len(started):
        selected[at] = True
        at = int(np.searchsorted(started, started[at] + spacing_s))
    return selected


def _full_days(days: NDArray[np.int64], minimum: int) -> NDArray[np.bool_]:
    """Select the tests on days with at least so many tests."""
    _, place, counts = np.unique(days, return_inverse=True, return_counts=True)
    full: NDArray[np.bool_] = counts[place] >= minimum
    return full


def _judged(
    condition: Rule,
    sample: Sample,
    days: NDArray[np.int64],
    reached: NDArray[np.bool_],
    left_out: tuple[int, int, int],
) -> Outcome:
    """Return the result of a condition from the tests that count: the day of each, and whether it reached the level."""
    unique_days, place = np.unique(days, return_inverse=True)
    good = np.bincount(place, weights=reached, minlength=len(unique_days))
    tests = np.bincount(place, minlength=len(unique_days))
    bad_days: int | None = None
    match condition:
        case DaysWithout():
            bad_days, needed = int(np.count_nonzero(good == 0)), _scaled(condition, len(unique_days))
        case DaysWithMiss():
            bad_days, needed = int(np.count_nonzero(good < tests)), _scaled(condition, len(unique_days))
        case TooFewTests():
            needed = math.ceil(condition.percent * len(days) / 100)
    is_met = bad_days >= needed if bad_days is not None else int(reached.sum()) < needed
    shortage = _lacking(sample, len(days), len(unique_days), left_out[-1])
    answer = Answer.OPEN if shortage else Answer.MET if is_met else Answer.NOT_MET
    counts = (len(days), len(unique_days), int(reached.sum()))
    return Outcome(condition, answer, *counts, bad_days, needed, *left_out, shortage=shortage)


def _scaled(condition: OfDays, days: int) -> int:
    """Return on how many of so many days a condition must be true: 2 of 3 become 20 of 30."""
    return math.ceil(condition.days * days / condition.of_days) if condition.of_days else condition.days


def _lacking(sample: Sample, tests: int, days: int, without_plan: int) -> str:
    """Return what there is too little of for an answer, as a report prints it; empty if there is enough."""
    if not tests and without_plan:
        return "the plan names no such speed"
    if tests < sample.tests:
        return f"{tests:,} of at least {sample.tests:,} tests that count"
    return f"{days:,} of at least {sample.days:,} days with enough tests" if days < sample.days else ""
