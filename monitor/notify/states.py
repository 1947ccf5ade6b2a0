"""From stored runs to notices: what each test means for the states of its probe and path. Pure.

The memory of a probe is passed in and returned, so that it can be kept in the database. Runs are added in the order in
which they were stored. What the line did is judged as `monitor.analysis.outages` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from monitor.analysis import watches
from monitor.analysis.line_condition import GAP_TESTS, HOUR_S, Rates, add_rates, is_sign_of_life, normal_rates
from monitor.analysis.watches import NewsKind, TestPoint, ValueWatch, Watch, WatchChange
from monitor.model import NetworkPath, Run, Status, Trigger
from monitor.notify.judgements import AlertKind, StateRules, StoredRun, judge_budget, judge_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# A run that starts later than this from now was stored by a wrong clock.
FUTURE_S = HOUR_S

_NO_WATCH = Watch()

_NO_VALUE = ValueWatch()


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
class PathMemory:
    """What is remembered of a probe over one path; `rates` are recent results, download and upload."""

    last_started: int = 0
    watches: dict[AlertKind, Watch] = field(default_factory=dict)
    values: dict[str, ValueWatch] = field(default_factory=dict)
    rates: tuple[Rates, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeMemory:
    """What is remembered of a probe: the last run that was added, the last sign of life, and the states.

    `starts` are those of the last tests, in epoch seconds: the usual gap between them follows from these.
    """

    last_pk: int = 0
    last_run_id: str = ""
    last_sign: int | None = None
    watches: dict[AlertKind, Watch] = field(default_factory=dict)
    paths: dict[str, PathMemory] = field(default_factory=dict)
    starts: tuple[int, ...] = ()

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
    fold.pass_time(testing=testing)
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
        self._add_sign_of_life(last.run, at)
        self._add_points("", point, {AlertKind.BUDGET: judge_budget(last.run)})
        path = self.memory.paths.get(last.run.path, PathMemory())
        is_late = at < path.last_started <= self._now + FUTURE_S
        if last.run.status not in {Status.OK, Status.FAILED} or is_late:
            return
        self._set_path(last.run.path, replace(path, last_started=at))
        below_pct = self._rules.limits.below_pct
        self._add_points(last.run.path, point, judge_result(last, normal_rates(path.rates), below_pct))
        self._add_values(last.run, at)
        self._add_rates(last.run)

    def forget_history(self) -> None:
        """Replace the notices by the beginnings of the states that last."""
        active = ((kind, path, watches.current_change(watch, self._now)) for kind, path, watch in self.memory.active())
        self.notices = [self._to_notice(kind, path, change) for kind, path, change in active if change]

    def pass_time(self, *, testing: bool) -> None:
        """Report that nothing has been recorded for too long, what ended by waiting, and the reminders that are due."""
        sign, limit = self.memory.last_sign, self._stale_after_s()
        if limit and sign is not None and self._now - sign >= limit and not self._watch("", AlertKind.STALE).is_active:
            self._begin_stale(sign, limit)
        for kind, path, watch in list(self.memory.active()):
            # A test that runs now may have found that the state goes on.
            if not testing:
                self._note(kind, path, watches.end_after_patience(watch, self._rules.rule_of(kind), self._now))
            self._note(kind, path, watches.remind(self._watch(path, kind), self._rules.remind_s, self._now))

    def _add_sign_of_life(self, run: Run, started: int) -> None:
        if not is_sign_of_life(run):
            return
        at, before = int(run.finished_at.timestamp()), self.memory.last_sign
        limit, is_stale = self._stale_after_s(), self._watch("", AlertKind.STALE).is_active
        if before is not None and limit and at - before >= limit and not is_stale:
            self._begin_stale(before, limit)
        self._note(AlertKind.STALE, "", watches.end(self._watch("", AlertKind.STALE), at, at))
        starts = tuple(sorted({*self.memory.starts, started})[-GAP_TESTS:])
        if before is None or at > before or before > self._now + FUTURE_S:
            self.memory = replace(self.memory, last_sign=at, starts=starts)

    def _stale_after_s(self) -> int:
        """Return after how many seconds without a sign of life the probe is silent; 0: never."""
        limits = self._rules.limits
        return limits.stale_s and int(limits.stale_after_s(self.memory.starts))

    def _begin_stale(self, last_sign: int, limit: int) -> None:
        first, at = TestPoint("", last_sign, bad=True), last_sign + limit
        self._note(AlertKind.STALE, "", watches.begin(self._watch("", AlertKind.STALE), at, first))

    def _add_points(self, path: str, point: TestPoint, judgements: dict[AlertKind, str | None]) -> None:
        """Add a test to watches; of each the evidence against it, empty if it is good, None if it says nothing."""
        for kind, evidence in judgements.items():
            if evidence is None:
                continue
            rule, judged = self._rules.rule_of(kind), replace(point, bad=bool(evidence), evidence=evidence)
            if not self._watch(path, kind).has(point.test):
                self._note(kind, path, watches.end_after_patience(self._watch(path, kind), rule, point.at))
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
        memory = self.memory.paths[run.path]
        rates = add_rates(memory.rates, run, is_slow=self._watch(run.path, AlertKind.SLOW).is_active)
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
