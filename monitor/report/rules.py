"""Rule profiles, which say when a line deviates from its plan, and how the tests stand against them.

A profile is a TOML file, see `profiles/germany-fixed.toml`. It has rules for the sample (how many tests it needs, and
which count) and conditions, of which one that is met suffices. Each condition is met, not met or undecided. Only
trusted tests that measured the metric and have a level to reach count; a failed test does not count as 0.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from monitor.analysis import calendar
from monitor.analysis.metrics import Metric
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.analysis.columns import Columns
    from monitor.analysis.plan import PlanHistory


SECONDS_PER_MINUTE = 60

EXAMPLE_PROFILE = Path(__file__).parent / "profiles" / "germany-fixed.toml"

METRICS_BY_NAME = {"download": Metric.DOWNLOAD, "upload": Metric.UPLOAD, "latency": Metric.LATENCY}

PositiveInt = Annotated[int, Meta(ge=1)]

PositivePercent = Annotated[float, Meta(gt=0, le=100)]

PositiveFloat = Annotated[float, Meta(gt=0)]


class StrictStruct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file. An unknown key is an error."""


class SampleRules(StrictStruct, frozen=True, kw_only=True):
    """How many tests there must be, and which of them count.

    `tests`, `days` and `tests_per_day` are minimums; a day with fewer tests than `tests_per_day` does not count, nor do
    its tests. A test less than `spacing_min` minutes after the last one that counts does not count either.
    """

    tests: PositiveInt = 1
    days: PositiveInt = 1
    tests_per_day: PositiveInt = 1
    spacing_min: Annotated[float, Meta(ge=0)] = 0.0


class RequiredLevel(StrictStruct, frozen=True, kw_only=True):
    """What a test must reach: a rate at least, a latency at most. Exactly one of the three is given."""

    percent_of_plan: PositiveFloat | None = None
    mbit_s: PositiveFloat | None = None
    ms: PositiveFloat | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.percent_of_plan, self.mbit_s, self.ms)) != 1:
            raise ValueError("give exactly one of percent_of_plan, mbit_s and ms")


class Condition(StrictStruct, frozen=True, kw_only=True, tag_field="test"):
    """What all conditions have: a name, a metric, the level to reach, and a note to the reader.

    `assumed` means that no contract states the level; the report then says so beside every answer.
    """

    name: str
    metric: Literal["download", "upload", "latency"]
    level: RequiredLevel
    note: str = ""
    assumed: bool = False

    def __post_init__(self) -> None:
        if self.level.ms is not None and self.metric != "latency":
            raise ValueError(f"a level in ms is for latency, not for {self.metric}")
        if self.level.mbit_s is not None and self.metric == "latency":
            raise ValueError("a level in mbit_s is for download and upload, not for latency")

    @property
    def measured(self) -> Metric:
        """The metric as runs hold it."""
        return METRICS_BY_NAME[self.metric]


class DayCondition(Condition, frozen=True, kw_only=True):
    """A condition that counts days."""

    days: PositiveInt
    of_days: PositiveInt | None = None

    def __post_init__(self) -> None:
        Condition.__post_init__(self)
        if self.of_days is not None and self.days > self.of_days:
            raise ValueError(f"days is at most of_days, not {self.days} of {self.of_days}")


class DaysWithout(DayCondition, frozen=True, kw_only=True, tag="days_without"):
    """Met if no test reached the level on at least `days` days, or on `days` of every `of_days` days."""


class DaysWithMiss(DayCondition, frozen=True, kw_only=True, tag="days_with_miss"):
    """Met if a test missed the level on at least `days` days, or on `days` of every `of_days` days."""


class TooFewTests(Condition, frozen=True, kw_only=True, tag="too_few_tests"):
    """Met if fewer than `percent` % of the tests reached the level."""

    percent: PositivePercent


AnyCondition = DaysWithout | DaysWithMiss | TooFewTests


class RuleProfile(StrictStruct, frozen=True, kw_only=True):
    """The rules that tests are compared with; `notice` and `source` are shown in the report."""

    name: str
    notice: str
    source: str = ""
    sample: SampleRules = SampleRules()
    conditions: Annotated[tuple[AnyCondition, ...], Meta(min_length=1)]


def load_profile(file: Path | None) -> RuleProfile:
    """Read the profile of a file; None: the example that is included.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has an unknown key or an invalid value.
    """
    path = file or EXAMPLE_PROFILE
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), RuleProfile)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; give an existing file of rules") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}; compare it with {EXAMPLE_PROFILE}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_put_key_first(str(error))}; compare it with {EXAMPLE_PROFILE}") from error


def _put_key_first(message: str) -> str:
    """Return msgspec's message with the key first: "conditions[0].metric: Invalid enum value"."""
    reason, _, key = message.partition(" - at `$.")
    return f"{key.rstrip('`')}: {reason}" if key else reason


class ConditionAnswer(StrEnum):
    """The answer to a condition, as a report prints it."""

    MET = "met"
    NOT_MET = "not met"
    OPEN = "not enough data"


@dataclass(frozen=True, slots=True)
class ConditionResult:
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

    condition: AnyCondition
    answer: ConditionAnswer
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
class ProfileResult:
    """A profile and the result of each of its conditions."""

    profile: RuleProfile
    results: tuple[ConditionResult, ...]

    @property
    def answer(self) -> ConditionAnswer:
        """The answer as a whole: met if one condition is; not met only if all conditions have an answer."""
        answers = {result.answer for result in self.results}
        return next(
            answer
            for answer in (ConditionAnswer.MET, ConditionAnswer.OPEN, ConditionAnswer.NOT_MET)
            if answer in answers
        )


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs to judge, with the local day of each and whether it is trusted."""

    columns: Columns
    plans: PlanHistory
    days: NDArray[np.int64]
    trusted: NDArray[np.bool_]


def judge_by_profile(columns: Columns, plans: PlanHistory, zone: ZoneInfo, profile: RuleProfile) -> ProfileResult:
    """Judge runs by each condition of a profile."""
    days = calendar.day_numbers(calendar.to_wall_clock(columns.started, zone))
    runs = _Runs(columns, plans, days, columns.where(lambda attributes: attributes.trusted))
    return ProfileResult(
        profile, tuple(_judge_condition(runs, profile.sample, condition) for condition in profile.conditions)
    )


def _judge_condition(runs: _Runs, sample: SampleRules, condition: AnyCondition) -> ConditionResult:
    values = runs.columns.values(condition.measured)
    measured = runs.trusted & ~np.isnan(values)
    required = _required_values(condition.level, runs.plans.promised(runs.columns, condition.measured))
    comparable = measured & ~np.isnan(required)
    spaced = comparable.copy()
    spaced[comparable] = _select_spaced(runs.columns.started[comparable], sample.spacing_min * SECONDS_PER_MINUTE)
    used = spaced.copy()
    used[spaced] = _select_full_days(runs.days[spaced], sample.tests_per_day)
    # Multiplied by 100 on both sides, so that whole rates are compared exactly.
    shortfall = required - 100 * values
    reached = (shortfall if condition.metric != "latency" else -shortfall)[used] <= 0
    left_out = (comparable & ~spaced, spaced & ~used, measured & ~comparable)
    close, thin, without_plan = (int(np.count_nonzero(mask)) for mask in left_out)
    return _answer_condition(condition, sample, runs.days[used], reached, (close, thin, without_plan))


def _required_values(level: RequiredLevel, promised: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 100 times what each test must reach, in the metric's unit; NaN where the plan promises nothing."""
    if level.percent_of_plan is not None:
        return level.percent_of_plan * promised
    fixed = round(level.mbit_s * 1e6) if level.mbit_s is not None else level.ms or 0.0
    return np.full(len(promised), 100 * fixed)


def _select_spaced(started: NDArray[np.int64], spacing_s: float) -> NDArray[np.bool_]:
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


def _select_full_days(days: NDArray[np.int64], minimum: int) -> NDArray[np.bool_]:
    """Select the tests on days with at least so many tests."""
    _, place, counts = np.unique(days, return_inverse=True, return_counts=True)
    full: NDArray[np.bool_] = counts[place] >= minimum
    return full


def _answer_condition(
    condition: AnyCondition,
    sample: SampleRules,
    days: NDArray[np.int64],
    reached: NDArray[np.bool_],
    left_out: tuple[int, int, int],
) -> ConditionResult:
    """Return the result of a condition from the tests that count: the day of each, and whether it reached the level."""
    unique_days, place = np.unique(days, return_inverse=True)
    good = np.bincount(place, weights=reached, minlength=len(unique_days))
    tests = np.bincount(place, minlength=len(unique_days))
    bad_days: int | None = None
    match condition:
        case DaysWithout():
            bad_days, needed = int(np.count_nonzero(good == 0)), _required_days(condition, len(unique_days))
        case DaysWithMiss():
            bad_days, needed = int(np.count_nonzero(good < tests)), _required_days(condition, len(unique_days))
        case TooFewTests():
            needed = math.ceil(condition.percent * len(days) / 100)
    is_met = bad_days >= needed if bad_days is not None else int(reached.sum()) < needed
    shortage = _describe_shortage(sample, len(days), len(unique_days), left_out[-1])
    answer = ConditionAnswer.OPEN if shortage else ConditionAnswer.MET if is_met else ConditionAnswer.NOT_MET
    counts = (len(days), len(unique_days), int(reached.sum()))
    return ConditionResult(condition, answer, *counts, bad_days, needed, *left_out, shortage=shortage)


def _required_days(condition: DayCondition, days: int) -> int:
    """Return on how many of so many days a condition must be true: 2 of 3 become 20 of 30."""
    return math.ceil(condition.days * days / condition.of_days) if condition.of_days else condition.days


def _describe_shortage(sample: SampleRules, tests: int, days: int, without_plan: int) -> str:
    """Return what there is too little of for an answer, as a report prints it; empty if there is enough."""
    if not tests and without_plan:
        return "the plan names no such speed"
    if tests < sample.tests:
        return f"{tests:,} of at least {sample.tests:,} tests that count"
    return f"{days:,} of at least {sample.days:,} days with enough tests" if days < sample.days else ""
