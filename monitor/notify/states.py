"""From stored runs to notices: what each test means for the states of its probe and path. Pure.

The memory of a probe is passed in and returned, so that it can be kept in the database. Runs are added in the order in
which they were stored. What the line did is judged as `monitor.analysis.outages` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

from monitor.analysis import outages
from monitor.model import Doubt, Failure, FailureKind, NetworkPath, Plan, Run, Scope, Status, Trigger, describe_failure
from monitor.notify import watch as watches
from monitor.notify.watch import NewsKind, TestPoint, ValueWatch, Watch, WatchChange, WatchRule
from monitor.output.units import format_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.config.settings import Settings

HOUR_S = 3600

# The results of which the recent median is made, and how many it needs.
MAX_RECENT, MIN_RECENT = 50, 5

# A run that starts later than this from now was stored by a wrong clock.
FUTURE_S = HOUR_S

WRONG_PATH = frozenset({Doubt.WRONG_FAMILY, Doubt.WRONG_INTERFACE, Doubt.WRONG_ISP})

# Stages of skipped tests that the user asked for: the program is alive.
DELIBERATE_STAGES = frozenset({"paused", "quiet_hours", "budget"})

BUDGET_STAGE = "budget"

# One test with `--anyway` does not end the state.
BUDGET_RULE = WatchRule(1, 1, 2)

PATH_RULE = WatchRule(2, 2, 2)

NAMESPACE_RULE = WatchRule(2, 2, 1)

_FAILING, _SLOW = WatchRule(2, 3, 2), WatchRule(3, 4, 3)

_NO_PLAN = Plan()

_LINE_FAILURE = Failure(FailureKind.UNREACHABLE, Scope.LINE, None, "")

_NO_WATCH = Watch()

_NO_VALUE = ValueWatch()


class AlertKind(StrEnum):
    """The states, by the names that `notify.states` uses."""

    DOWN = "down"
    SLOW = "slow"
    STALE = "stale"
    PATH = "path"
    ISP = "isp"
    ADDRESS = "address"
    BUDGET = "budget"
    NAMESPACE = "namespace"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class StateRules:
    """The settings that decide about states; times in seconds, 0 for never."""

    kinds: frozenset[AlertKind] = frozenset(AlertKind) - {AlertKind.PROVIDER}
    failing: WatchRule = _FAILING
    slow: WatchRule = _SLOW
    below_pct: int = 50
    stale_s: int = 6 * HOUR_S
    remind_s: int = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> StateRules:
        """Return the rules; results are not missed before two intervals of the schedule have passed."""
        notify, schedule = settings.notify, settings.schedule
        interval_s = 0 if schedule.cron else schedule.every_s
        return cls(
            frozenset(map(AlertKind, notify.states)),
            WatchRule.from_text(notify.failing),
            WatchRule.from_text(notify.slow),
            notify.below_pct,
            notify.stale_h and max(notify.stale_h * HOUR_S, 2 * interval_s),
            notify.remind_h * HOUR_S,
        )


@dataclass(frozen=True, slots=True)
class Notice:
    """One change of one state; times in epoch seconds. `path` is empty for what concerns all paths of a probe."""

    alert: AlertKind
    change: NewsKind
    probe: str
    path: str
    at: int
    began: int
    ended: int | None = None
    run_id: str = ""
    evidence: str = ""
    tests: int = 0
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run with its primary key and the plan that it was stored with."""

    pk: int
    run: Run
    plan: Plan = _NO_PLAN


@dataclass(frozen=True, slots=True)
class PathMemory:
    """What is remembered of a probe over one path; `rates` are recent results, download and upload."""

    last_started: int = 0
    watches: dict[AlertKind, Watch] = field(default_factory=dict)
    values: dict[str, ValueWatch] = field(default_factory=dict)
    rates: tuple[tuple[int | None, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeMemory:
    """What is remembered of a probe: the last run that was added, the last sign of life, and the states."""

    last_pk: int = 0
    last_run_id: str = ""
    last_sign: int | None = None
    watches: dict[AlertKind, Watch] = field(default_factory=dict)
    paths: dict[str, PathMemory] = field(default_factory=dict)

    def active(self) -> Iterator[tuple[AlertKind, str, Watch]]:
        """Yield the states that last, with the path of each."""
        yield from ((kind, "", watch) for kind, watch in self.watches.items() if watch.is_active)
        for path, memory in self.paths.items():
            yield from ((kind, path, watch) for kind, watch in memory.watches.items() if watch.is_active)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The memory after some runs, the notices that they gave, and those runs that were added."""

    memory: ProbeMemory
    notices: tuple[Notice, ...] = ()
    added: tuple[Run, ...] = ()


def evaluate(
    memory: ProbeMemory | None,
    probe: str,
    rows: Sequence[StoredRun],
    rules: StateRules,
    now: int,
    *,
    testing: bool = False,
) -> Evaluation:
    """Return what new runs of a probe change, and what the time does.

    Args:
        memory: that of the last call; None at the first, whose runs are history: only what lasts is reported.
        probe: the name of the probe.
        rows: the runs that were stored since, in that order.
        rules: what is reported, and when.
        now: epoch seconds.
        testing: whether a test is running, which may repeat the last one: that one is left for the next call.
    """
    settled = settle(rows) if testing else rows
    fold = _Fold(memory or ProbeMemory(), probe, rules, now)
    for test in group_attempts(settled):
        fold.add_test(test)
    if memory is None:
        fold.forget_history()
    fold.pass_time()
    last = settled[-1] if settled else None
    result = replace(fold.memory, last_pk=last.pk, last_run_id=last.run.id) if last else fold.memory
    wanted = tuple(notice for notice in fold.notices if notice.alert in rules.kinds)
    return Evaluation(result, wanted, tuple(row.run for row in settled))


def group_attempts(rows: Iterable[StoredRun]) -> list[list[StoredRun]]:
    """Return the runs by test: a first attempt and its retries."""
    tests: dict[str, list[StoredRun]] = {}
    for row in rows:
        tests.setdefault(row.run.retry_of or row.run.id, []).append(row)
    return list(tests.values())


def settle(rows: Sequence[StoredRun]) -> Sequence[StoredRun]:
    """Return the runs without the last test, and what follows it, if that test failed and so may be repeated."""
    tests = [test for test in group_attempts(rows) if test[-1].run.status is not Status.SKIPPED]
    if not tests or tests[-1][-1].run.status is Status.OK:
        return rows
    return rows[: rows.index(tests[-1][0])]


class _Fold:
    """Adds tests to the memory of a probe, and collects the notices."""

    def __init__(self, memory: ProbeMemory, probe: str, rules: StateRules, now: int) -> None:
        self.memory, self._probe, self._rules, self._now = memory, probe, rules, now
        self.notices: list[Notice] = []

    def add_test(self, attempts: Sequence[StoredRun]) -> None:
        """Add a test: the result is that of its last attempt, the time that of the first."""
        first, last = attempts[0].run, attempts[-1]
        at = int(first.started_at.timestamp())
        if first.trigger is Trigger.IMPORT or at > self._now + FUTURE_S:
            return
        point = TestPoint(first.retry_of or first.id, at, bad=False, run_id=last.run.id)
        self._add_sign_of_life(last.run)
        self._add_points("", point, {AlertKind.BUDGET: (BUDGET_RULE, _over_budget(last.run))})
        path = self.memory.paths.get(last.run.path, PathMemory())
        is_late = at < path.last_started <= self._now + FUTURE_S
        if last.run.status not in {Status.OK, Status.FAILED} or is_late:
            return
        self._set_path(last.run.path, replace(path, last_started=at))
        self._add_points(last.run.path, point, self._judgements(last, path))
        self._add_values(last.run, at)
        self._add_rates(last.run)

    def forget_history(self) -> None:
        """Replace the notices by the beginnings of the states that last."""
        active = ((kind, path, watches.current_change(watch, self._now)) for kind, path, watch in self.memory.active())
        self.notices = [self._to_notice(kind, path, change) for kind, path, change in active if change]

    def pass_time(self) -> None:
        """Report that nothing has been recorded for too long, and the reminders that are due."""
        sign, limit = self.memory.last_sign, self._rules.stale_s
        if limit and sign is not None and self._now - sign >= limit and not self._watch("", AlertKind.STALE).is_active:
            self._begin_stale(sign)
        for kind, path, watch in list(self.memory.active()):
            self._note(kind, path, watches.remind(watch, self._rules.remind_s, self._now))

    def _add_sign_of_life(self, run: Run) -> None:
        if run.status is Status.INTERRUPTED or (run.status is Status.SKIPPED and not _is_deliberate(run)):
            return
        at, before = int(run.finished_at.timestamp()), self.memory.last_sign
        limit, is_stale = self._rules.stale_s, self._watch("", AlertKind.STALE).is_active
        if before is not None and limit and at - before >= limit and not is_stale:
            self._begin_stale(before)
        self._note(AlertKind.STALE, "", watches.end(self._watch("", AlertKind.STALE), at, at))
        if before is None or at > before or before > self._now + FUTURE_S:
            self.memory = replace(self.memory, last_sign=at)

    def _begin_stale(self, last_sign: int) -> None:
        first, at = TestPoint("", last_sign, bad=True), last_sign + self._rules.stale_s
        self._note(AlertKind.STALE, "", watches.begin(self._watch("", AlertKind.STALE), at, first))

    def _judgements(self, row: StoredRun, path: PathMemory) -> dict[AlertKind, tuple[WatchRule, str | None]]:
        rules = self._rules
        return {
            AlertKind.DOWN: (rules.failing, _line_evidence(row.run)),
            AlertKind.PROVIDER: (rules.failing, _provider_evidence(row.run)),
            AlertKind.SLOW: (rules.slow, _slow_evidence(row, path.rates, rules.below_pct)),
            AlertKind.PATH: (PATH_RULE, _path_evidence(row.run)),
            AlertKind.NAMESPACE: (NAMESPACE_RULE, _namespace_evidence(row.run)),
        }

    def _add_points(
        self, path: str, point: TestPoint, judgements: dict[AlertKind, tuple[WatchRule, str | None]]
    ) -> None:
        """Add a test to watches; of each the evidence against it, empty if it is good, None if it says nothing."""
        for kind, (rule, evidence) in judgements.items():
            if evidence is not None:
                judged = replace(point, bad=bool(evidence), evidence=evidence)
                self._note(kind, path, watches.add_point(self._watch(path, kind), rule, judged))

    def _add_values(self, run: Run, at: int) -> None:
        if run.status is not Status.OK or run.healthy is False:
            return
        for kind, key, value in (
            (AlertKind.ISP, f"isp {run.engine}", run.isp),
            (AlertKind.ADDRESS, f"address IPv{run.ip_family}", run.external_ip),
        ):
            if value:
                self._add_value(kind, key, run.path, (value, at, run.id))

    def _add_value(self, kind: AlertKind, key: str, path: NetworkPath, measured: tuple[str, int, str]) -> None:
        memory = self.memory.paths[path]
        watch, change = watches.add_value(memory.values.get(key, _NO_VALUE), *measured)
        self._set_path(path, replace(memory, values=memory.values | {key: watch}))
        if change:
            often = "it changes often: further changes are not reported" if change.often else ""
            self.notices.append(
                Notice(
                    kind, NewsKind.CHANGED, self._probe, path, change.at, change.at, run_id=change.run_id,
                    evidence=often, before=change.before, after=change.after,
                )
            )  # fmt: skip

    def _add_rates(self, run: Run) -> None:
        """Add a result to those of the recent median, unless the line is slow: it would become what is usual."""
        memory = self.memory.paths[run.path]
        if run.status is Status.OK and run.healthy is not False and not self._watch(run.path, AlertKind.SLOW).is_active:
            rates = (*memory.rates, (run.download_bps, run.upload_bps))[-MAX_RECENT:]
            self._set_path(run.path, replace(memory, rates=rates))

    def _watch(self, path: str, kind: AlertKind) -> Watch:
        of_path = self.memory.paths[path].watches if path else self.memory.watches
        return of_path.get(kind, _NO_WATCH)

    def _note(self, kind: AlertKind, path: str, changed: tuple[Watch, WatchChange | None]) -> None:
        """Keep a watch, and the notice of its change."""
        watch, change = changed
        if path:
            memory = self.memory.paths[path]
            self._set_path(path, replace(memory, watches=memory.watches | {kind: watch}))
        else:
            self.memory = replace(self.memory, watches=self.memory.watches | {kind: watch})
        if change:
            self.notices.append(self._to_notice(kind, path, change))

    def _set_path(self, path: str, memory: PathMemory) -> None:
        self.memory = replace(self.memory, paths=self.memory.paths | {str(path): memory})

    def _to_notice(self, kind: AlertKind, path: str, change: WatchChange) -> Notice:
        return Notice(
            kind, change.change, self._probe, path, change.at, change.began, change.ended, change.run_id,
            change.evidence, change.bad_tests,
        )  # fmt: skip


def _is_deliberate(run: Run) -> bool:
    return run.failure is not None and run.failure.stage in DELIBERATE_STAGES


def _over_budget(run: Run) -> str | None:
    if run.status is Status.SKIPPED and run.failure and run.failure.stage == BUDGET_STAGE:
        return run.failure.message
    return "" if run.status in {Status.OK, Status.FAILED} else None


def _line_evidence(run: Run) -> str | None:
    """Return what a run proves of the line, by the rule of outages: after a failure of the line, what does it do?"""
    down = replace(run, status=Status.FAILED, failure=_LINE_FAILURE)
    (outage,) = outages.find_incidents([down, run])
    if outage.failures > 1:
        return describe_failure(run, with_stage=True)
    is_provider = run.failure is not None and run.failure.scope is Scope.PROVIDER
    return "" if outage.ended or is_provider else None


def _provider_evidence(run: Run) -> str | None:
    if run.failure and run.failure.scope is Scope.PROVIDER:
        return describe_failure(run, with_stage=True)
    return "" if run.status is Status.OK else None


def _path_evidence(run: Run) -> str | None:
    if run.status is not Status.OK:
        return None
    return "; ".join(remark.message for remark in run.remarks if remark.kind in WRONG_PATH)


def _namespace_evidence(run: Run) -> str | None:
    if run.path is not NetworkPath.IP4ONLY:
        return None
    failed = run.failure is not None and run.failure.kind is FailureKind.NAMESPACE
    return describe_failure(run) if failed else "" if run.status is Status.OK or _was_on_network(run) else None


def _was_on_network(run: Run) -> bool:
    return run.failure is not None and run.failure.scope in {Scope.LINE, Scope.PROVIDER}


def _slow_evidence(row: StoredRun, rates: Sequence[tuple[int | None, int | None]], below_pct: int) -> str | None:
    """Return which rate is below its share of the plan, else of the recent median; None if nothing can be said."""
    run, plan = row.run, row.plan
    if run.status is not Status.OK or run.healthy is False:
        return None
    judged = False
    for name, rate, sold, recent in (
        ("download", run.download_bps, plan.download_bps, [down for down, _ in rates]),
        ("upload", run.upload_bps, plan.upload_bps, [up for _, up in rates]),
    ):
        expected = sold or _recent_median(recent)
        if rate is None or not expected:
            continue
        judged = True
        if 100 * rate < below_pct * expected:
            of = f"the plan's {format_rate(sold)}" if sold else f"the recent median of {format_rate(expected)}"
            return f"{name} {format_rate(rate)}, {100 * rate / expected:.0f} % of {of}"
    return "" if judged else None


def _recent_median(rates: Iterable[int | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return median(known) if len(known) >= MIN_RECENT else None
