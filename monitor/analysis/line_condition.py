"""The condition of a line, from its last runs, the plan and what is normal of late. Pure.

The one home of what a test says of the line (`find_line_fault`, `find_slow_rate`) and of how many tests make a state
(`StateLimits`): the head of the page, `status` and notifications use these, and so agree. What the last tests could not
tell is not taken for good: the line is `good` only after a fresh result that is not slow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import dropwhile, pairwise, takewhile
from statistics import median
from typing import TYPE_CHECKING

from monitor.analysis import watches
from monitor.analysis.outages import LineState, run_state
from monitor.analysis.watches import TestPoint, Watch, WatchRule
from monitor.model import ExpectedRates, Plan, Run, Scope, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from monitor.config.settings import Settings

HOUR_S = 3600

# A line that was down works again after as many good tests as it took bad ones, or this long after a good one.
RECOVERY_S = 1800

# A state is stale after so many intervals of the schedule, or usual gaps between tests, if that is longer.
STALE_INTERVALS, STALE_GAPS = 2, 2.5

# Tests from which the usual gap is taken.
GAP_TESTS = 10

# The results of which the normal rates are the median, and how many it needs: one bad evening is not normal.
MAX_NORMAL_RESULTS, MIN_NORMAL_RESULTS = 50, 5

# Stages of skipped tests that the user asked for: the program is alive.
DELIBERATE_STAGES = frozenset({"paused", "quiet_hours", "budget"})

NOT_KNOWN = ExpectedRates()

# Download and upload of a result.
Rates = tuple[int | None, int | None]


class LineCondition(StrEnum):
    """What can be said of the line now."""

    GOOD = "good"
    SLOW = "slow"
    FAILING = "failing"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StateLimits:
    """When a line is failing, slow or stale, by the settings of [notify].

    Slow is below `below_pct` percent of the plan, else of what is normal. Stale is nothing for `stale_s` seconds (0: it
    is never reported), or longer where tests are rare.
    """

    failing: WatchRule = WatchRule(2, 3, 2, RECOVERY_S)  # noqa: RUF009  immutable
    slow: WatchRule = WatchRule(3, 4, 3)  # noqa: RUF009  immutable
    below_pct: float = 50
    stale_s: int = 6 * HOUR_S

    @classmethod
    def from_settings(cls, settings: Settings) -> StateLimits:
        """Return the limits of the settings."""
        notify, schedule = settings.notify, settings.schedule
        interval_s = 0 if schedule.cron else schedule.every_s
        return cls(
            WatchRule.from_text(notify.failing, RECOVERY_S),
            WatchRule.from_text(notify.slow),
            notify.below_pct,
            notify.stale_h and max(notify.stale_h * HOUR_S, STALE_INTERVALS * interval_s),
        )

    def stale_after_s(self, starts: Sequence[float]) -> float:
        """Return after how many seconds the last test is stale; `starts` of tests in epoch seconds, oldest first."""
        gaps = [later - earlier for earlier, later in pairwise(starts[-GAP_TESTS:])]
        return max(self.stale_s, STALE_GAPS * median(gaps)) if gaps else self.stale_s


DEFAULT_LIMITS = StateLimits()


@dataclass(frozen=True, slots=True)
class SlowRate:
    """A rate below its share of what is expected, in bit/s; `of_plan`: of the plan, else of what is normal."""

    name: str
    measured: int
    expected: int
    of_plan: bool


@dataclass(frozen=True, slots=True)
class LineReport:
    """The state of a line; None where nothing is known.

    `since` is the start of the first run from which on it was like that; `is_older`: even the oldest run at hand was.
    `normal` are the medians of the last results, `result` is the last one that can be trusted, with its plan.
    """

    state: LineCondition
    since: datetime | None = None
    is_older: bool = False
    normal: ExpectedRates = NOT_KNOWN
    result: Run | None = None


def is_result(run: Run) -> bool:
    """Return whether a run measured the line, and can be trusted."""
    return run.status is Status.OK and run.healthy is not False and run.excluded is None


def is_sign_of_life(run: Run) -> bool:
    """Return whether a run shows that tests are made, or left out as the user wished."""
    if run.status is Status.SKIPPED:
        return run.failure is not None and run.failure.stage in DELIBERATE_STAGES
    return run.status is not Status.INTERRUPTED


def find_line_fault(run: Run) -> bool | None:
    """Return whether a run shows that the line is down, by the rule of outages; None: it says nothing of the line.

    A failure of the provider says that the line is not down.
    """
    state = run_state(run)
    if state is LineState.SILENT:
        return False if run.failure is not None and run.failure.scope is Scope.PROVIDER else None
    return state is LineState.DOWN


def find_slow_rate(
    run: Run, expected: ExpectedRates, normal: ExpectedRates, below_pct: float
) -> SlowRate | bool | None:
    """Return the rate that is too low; False: none is; None: nothing can be said.

    Args:
        run: the run.
        expected: the rates of the plan that it was stored with.
        normal: what is normal, where the plan has no rate.
        below_pct: percent of the rates below which one is too low.
    """
    if not is_result(run):
        return None
    judged: bool | None = None
    for name, rate, sold, usual in (
        ("download", run.download_bps, expected.download_bps, normal.download_bps),
        ("upload", run.upload_bps, expected.upload_bps, normal.upload_bps),
    ):
        least = sold or usual
        if rate is None or not least:
            continue
        if 100 * rate < below_pct * least:
            return SlowRate(name, rate, least, of_plan=bool(sold))
        judged = False
    return judged


def normal_rates(rates: Sequence[Rates]) -> ExpectedRates:
    """Return the medians of the last results; None with too few."""
    return ExpectedRates(_median_rate(down for down, _ in rates), _median_rate(up for _, up in rates))


def _median_rate(rates: Iterable[int | None]) -> int | None:
    known = [rate for rate in rates if rate is not None]
    return round(median(known)) if len(known) >= MIN_NORMAL_RESULTS else None


def add_rates(rates: tuple[Rates, ...], run: Run, *, is_slow: bool) -> tuple[Rates, ...]:
    """Return the last results with that of a run, unless the line is slow: it would become what is normal."""
    return (
        rates if is_slow or not is_result(run) else (*rates, (run.download_bps, run.upload_bps))[-MAX_NORMAL_RESULTS:]
    )


class _LineHistory:
    """The tests of a line, added oldest first, as notifications judge them."""

    def __init__(self, plans: Sequence[tuple[datetime, Plan]], limits: StateLimits) -> None:
        self.down, self.slow = Watch(), Watch()
        self.rates: tuple[Rates, ...] = ()
        self.slow_runs: set[str] = set()
        self._plans, self._limits = plans, limits

    def add(self, test: str, at: int, run: Run) -> None:
        """Add a test: its id, its start, and its last attempt."""
        plan = next((plan for since, plan in reversed(self._plans) if since <= run.started_at), Plan())
        sold, normal = ExpectedRates(plan.download_bps, plan.upload_bps), normal_rates(self.rates)
        self.wait(at)
        self.down = self._follow(self.down, self._limits.failing, TestPoint(test, at, bad=False), find_line_fault(run))
        slow = find_slow_rate(run, sold, normal, self._limits.below_pct)
        if slow:
            self.slow_runs.add(run.id)
        is_slow = None if slow is None else bool(slow)
        self.slow = self._follow(self.slow, self._limits.slow, TestPoint(test, at, bad=False), is_slow)
        self.rates = add_rates(self.rates, run, is_slow=self.slow.is_active)

    def is_slow(self, run: Run) -> bool:
        """Return whether a run was too slow when it was added."""
        return run.id in self.slow_runs

    def wait(self, now: int) -> None:
        """Let time pass."""
        self.down, _ = watches.end_after_patience(self.down, self._limits.failing, now)

    @staticmethod
    def _follow(watch: Watch, rule: WatchRule, point: TestPoint, bad: bool | None) -> Watch:
        return watch if bad is None else watches.add_point(watch, rule, replace(point, bad=bad))[0]


def judge_line(
    newest_first: Sequence[Run],
    plans: Sequence[tuple[datetime, Plan]],
    now: datetime,
    limits: StateLimits = DEFAULT_LIMITS,
) -> LineReport:
    """Return the state of the line over the path of the newest run.

    Args:
        newest_first: the last runs of one probe.
        plans: the plans that they were stored with, each with the start of the first such run, oldest first.
        now: the current time.
        limits: how many tests make a state.
    """
    of_path = [run for run in newest_first if run.path is newest_first[0].path]
    attempts = [run for run in of_path if run.status in {Status.OK, Status.FAILED} and run.excluded is None]
    results = [run for run in attempts if is_result(run)]
    history = _follow_line(attempts, plans, now, limits)

    def report(state: LineCondition, since: datetime | None = None, is_older: bool = False) -> LineReport:
        return LineReport(state, since, is_older, normal_rates(history.rates), next(iter(results), None))

    if blind := _find_blindness(attempts, newest_first, now, limits):
        return report(*blind)
    # A failure that proves that the line works, such as an HTTP 503, tells that it is up, but not how fast.
    telling = [run for run in attempts if is_result(run) or run_state(run) is not LineState.SILENT]
    if _is_due(history.down):
        return report(LineCondition.FAILING, *_since(history.down, telling, is_line_failure))
    if _is_due(history.slow):
        return report(LineCondition.SLOW, *_since(history.slow, results, history.is_slow))
    if not results:
        return report(LineCondition.UNKNOWN)
    return report(
        LineCondition.GOOD, *_streak(telling, lambda run: not is_line_failure(run) and not history.is_slow(run))
    )


def _follow_line(
    attempts: Sequence[Run], plans: Sequence[tuple[datetime, Plan]], now: datetime, limits: StateLimits
) -> _LineHistory:
    """Return the history of the attempts, newest first, of one path; a test is its last attempt at the first's time."""
    history, tests = _LineHistory(plans, limits), dict[str, list[Run]]()
    for run in reversed(attempts):
        tests.setdefault(run.retry_of or run.id, []).append(run)
    for test, runs in tests.items():
        history.add(test, int(runs[0].started_at.timestamp()), runs[-1])
    history.wait(int(now.timestamp()))
    return history


def _find_blindness(
    attempts: Sequence[Run], newest_first: Sequence[Run], now: datetime, limits: StateLimits
) -> tuple[LineCondition, datetime | None, bool] | None:
    """Return why the attempts say nothing of the line now, since when, and whether for longer; None: they do."""
    tests = [run for run in newest_first if is_sign_of_life(run) and run.retry_of is None]
    starts = [run.started_at.timestamp() for run in reversed(tests)]
    # The page has no tick on old results, even if nobody wants to be told of them.
    known = limits if limits.stale_s else replace(limits, stale_s=DEFAULT_LIMITS.stale_s)
    age_limit = timedelta(seconds=known.stale_after_s(starts))
    news = next((run for run in attempts if is_result(run) or is_line_failure(run)), None)
    if news and now - attempts[0].started_at > age_limit:
        return LineCondition.STALE, attempts[0].started_at, False
    if news is None or _is_blinding(attempts[0]):
        return LineCondition.UNKNOWN, *_streak(attempts, _is_blinding)
    return (LineCondition.STALE, news.started_at, False) if now - news.started_at > age_limit else None


def find_silence(newest_first: Sequence[Run], now: datetime, limits: StateLimits) -> datetime | None:
    """Return the end of the last test where nothing has been recorded for too long; None where something has."""
    tests = [run for run in newest_first if is_sign_of_life(run)]
    starts = [run.started_at.timestamp() for run in reversed(tests) if run.retry_of is None]
    last = max((run.finished_at for run in tests), default=None)
    if last is None or not limits.stale_s:
        return None
    return last if now - last >= timedelta(seconds=limits.stale_after_s(starts)) else None


def is_line_failure(run: Run) -> bool:
    """Return whether a run failed by the line."""
    return run_state(run) is LineState.DOWN


def _is_blinding(run: Run) -> bool:
    """Return whether a failure keeps the tests from saying anything of the line."""
    return run_state(run) is LineState.SILENT


def _is_due(watch: Watch) -> bool:
    """Return whether a state lasts, or the newest test was bad, which has no tick even if it is not reported yet."""
    return watch.is_active or (bool(watch.points) and watch.points[-1].bad)


def _since(watch: Watch, runs: Sequence[Run], is_bad: Callable[[Run], bool]) -> tuple[datetime | None, bool]:
    """Return when a state began, and whether it may be older than the runs at hand."""
    if watch.began is None:
        return _streak(runs, is_bad)
    began = datetime.fromtimestamp(watch.began, UTC)
    return began, len(runs) > 1 and began <= runs[-1].started_at


def _streak(runs: Sequence[Run], is_one: Callable[[Run], bool]) -> tuple[datetime | None, bool]:
    """Return when the newest runs in a row that are of a kind began, and whether there may be older ones."""
    from_newest = [*dropwhile(lambda run: not is_one(run), runs)]
    streak = [*takewhile(is_one, from_newest)]
    return (streak[-1].started_at, 1 < len(streak) == len(from_newest)) if streak else (None, False)
