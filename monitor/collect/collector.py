"""Carries out a request for a test: the lock, one or more attempts under it, and what follows each.

Nothing heavy may be imported before the engine has ended: what is needed afterwards, the database above all, is
imported in `Collector._finish_attempt`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.collect import line_memory, outcome, policy, servers, state
from monitor.collect.measure import engine_runner, run_test
from monitor.collect.outcome import Outcome, TestRequest, new_run_id
from monitor.config import paths
from monitor.engines import registry
from monitor.errors import StoreError, UsageError
from monitor.model import ExpectedRates, NetworkPath, Status, Trigger
from monitor.store import database_file, pause, spool
from monitor.system import lock
from monitor.system.signals import Interrupts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from monitor.collect.measure import FinishedTest, Runtime
    from monitor.collect.policy import Retry
    from monitor.collect.validation import ClockEvidence
    from monitor.config.settings import Settings
    from monitor.model import Attempt, Failure, Remark, Run
    from monitor.store.pause import Pause
    from monitor.system.clock import ClockReading

    Report = Callable[[Run, Retry | None], None]


_log = logging.getLogger(__name__)


def make_request(
    settings: Settings, engine: str | None, path: str | None, server_id: str | None, trigger: Trigger
) -> TestRequest:
    """Return the request, each None filled in from the settings.

    Raises:
        UsageError: there is no such engine, or the server id is not a number.
        ConfigError: the policy needs servers that the settings do not name.
    """
    name = engine or settings.collect.engine
    if name != registry.AUTO:
        registry.load_engine(name)
    server = servers.pinned_server(settings) if server_id is None else server_id
    if server and not (server.isascii() and server.isdigit()):
        raise UsageError(
            f"server id {server!r} is not a number: set collect.server_id or --server-id to one, or leave it out"
        )
    rotates = server_id is None and settings.servers.policy == "rotation"
    return TestRequest(name, NetworkPath(path or settings.collect.path), server, trigger, rotates=rotates)


def _report_nothing(_run: Run, _following: Retry | None) -> None:
    """Do nothing: the caller wants no reports."""


def collect(
    settings: Settings, request: TestRequest, runtime: Runtime, report: Report = _report_nothing
) -> tuple[Run, int]:
    """Run one test, and more where its failure calls for them; return the last row and its exit code.

    Args:
        settings: all settings.
        request: the test to carry out.
        runtime: what a test needs from its surroundings.
        report: called with each row once it is stored, and with the attempt that will follow it, if any.

    Raises:
        StoreError: the database cannot be written; checked before the test where possible.
        UsageError: no lock file can be opened.
    """
    database_file.ensure_writable(settings.database.url)
    with Interrupts() as interrupts, lock.hold_lock(settings.collect.lock_file) as locked:
        collector = Collector(settings, runtime, interrupts, report)
        return collector.run(request) if locked else collector.skip_busy(request)


class Collector:
    """Carries out a request in one or more attempts, one row each.

    Args:
        settings: all settings.
        runtime: what a test needs from its surroundings.
        interrupts: the signals that end it.
        report: called with each row once it is stored, and with the attempt that will follow it, if any.
    """

    def __init__(self, settings: Settings, runtime: Runtime, interrupts: Interrupts, report: Report) -> None:
        self._settings = settings
        self._runtime = runtime
        self._interrupts = interrupts
        self._report = report
        self._state_dir = paths.state_dir(runtime.environ, runtime.uid)
        self._spool = spool.open_spool(self._state_dir / "spool", settings.database.url)
        self._state_file = state.state_file(self._state_dir, settings.database.url, settings.probe.name)
        self._state = state.CollectState()
        self._runs: list[Run] = []
        self._code = 0

    def run(self, request: TestRequest) -> tuple[Run, int]:
        """Make attempts until none follows; return the last row and its exit code, 128 + its number after a signal."""
        database, probe = self._settings.database, self._settings.probe
        self._state = state.load_own_state(self._state_dir, database.url, probe.name)
        spool.recover_notes(self._spool)
        next_attempt = self._attempt(servers.rotate_server(request, self._settings, self._state.last_server))
        while next_attempt is not None:
            if not self._interrupts.wait(next_attempt.wait_s):
                return self._runs[-1], outcome.EXIT_SIGNAL_BASE + (self._interrupts.signal or 0)
            next_attempt = self._attempt(next_attempt.request)
        return self._runs[-1], self._code

    def skip_busy(self, request: TestRequest) -> tuple[Run, int]:
        """Store a row for a request that found another test running; return it and its exit code."""
        result = outcome.busy_outcome(request.engine)
        self._finish_attempt(request, request, result, (new_run_id(), self._runtime.read_clocks()))
        return self._runs[-1], self._code

    def _attempt(self, request: TestRequest) -> Retry | None:
        """Make one attempt, or store a row that says why there was none; return the attempt that follows, if any."""
        start = (new_run_id(), self._runtime.read_clocks())
        admitted = self._admit(request, start[1].wall)
        if isinstance(admitted, TestRequest):
            return self._measure(admitted, request, start)
        if self._runs:
            return None
        return self._finish_attempt(request, request, outcome.skipped_outcome(request.engine, admitted), start)

    def _measure(self, effective: TestRequest, request: TestRequest, start: tuple[str, ClockReading]) -> Retry | None:
        """Run one test; the note that it is under way lasts until its row is stored."""
        run_id, started_at = start[0], start[1].wall
        cut_off = outcome.to_attempt(
            self._settings, effective, outcome.cut_off_outcome(effective.engine), run_id, (started_at, started_at)
        )
        with spool.started_note(self._spool.folder, cut_off):
            test = run_test(self._settings, effective, self._runtime, self._interrupts, self._state.line)
            return self._finish_attempt(request, effective, test, start)

    def _admit(self, request: TestRequest, started_at: datetime) -> TestRequest | Failure:
        """Return the request as it may be carried out now, or why it may not."""
        settings, local_time = self._settings, started_at
        if settings.schedule.quiet:
            from monitor import localtime  # noqa: PLC0415  loads zoneinfo, which only quiet hours need

            local_time = started_at.astimezone(localtime.resolve_zone(settings.schedule.timezone, "schedule.timezone"))
        times = (started_at, local_time)
        failure = policy.reason_to_skip(settings, request, self._state, times, self._read_pause(request, started_at))
        return failure or self._with_engine(request, started_at)

    def _read_pause(self, request: TestRequest, now: datetime) -> Pause | None:
        """Return the pause that holds now; only a scheduled test asks."""
        if request.trigger is not Trigger.SCHEDULE:
            return None
        runtime = self._runtime
        return pause.read_pause(pause.pause_file(self._settings.database.url, runtime.environ, runtime.uid), now)

    def _with_engine(self, request: TestRequest, started_at: datetime) -> TestRequest | Failure:
        """Return a request for `auto` with the engine that takes over while the first choice is in back-off."""
        backoffs = policy.active_backoffs(self._state.rests, int(started_at.timestamp()))
        if request.engine != registry.AUTO or request.anyway or not backoffs:
            return request
        ask = engine_runner(self._settings, self._runtime, self._interrupts)
        engine, _ = registry.choose_engine(request.engine, self._settings, self._runtime.environ, ask)
        if (backoff := backoffs.get(engine.name)) is None:
            return request
        other = registry.choose_fallback(self._settings, self._runtime.environ, ask, without=backoffs)
        if other is None:
            return policy.backoff_failure(engine.name, backoff)
        remark = policy.fallback_remark(engine.name, backoff, other.name)
        return replace(request, engine=other.name, remarks=(*request.remarks, remark))

    def _finish_attempt(
        self,
        request: TestRequest,
        effective: TestRequest,
        test: FinishedTest | Outcome,
        start: tuple[str, ClockReading],
    ) -> Retry | None:
        """Judge an attempt, store it, save the state for the next, and report; return the attempt that follows, if any.

        Args:
            request: the request as it was made; a retry repeats it.
            effective: the request as it was carried out.
            test: an engine that has ended, or how an attempt ended without one.
            start: the id of the run, and both clocks when the attempt started.
        """
        # Imported here, as none may delay the engine; in this order, as SQLAlchemy must not delay a diagnosis.
        from monitor.collect.judge import complete_outcome, judge_test  # noqa: PLC0415  see above

        line = self._state.line
        result = test if isinstance(test, Outcome) else judge_test(test, self._settings, self._interrupts, line)
        if not isinstance(test, Outcome):
            result = replace(result, remarks=(*result.remarks, *self._uplink_remarks(test.path)))
        self._code = result.code
        attempt = self._to_attempt(effective, complete_outcome(result), start[0], self._check_clock(start[1]))
        self._runs.append(attempt.run)
        self._remember(request, attempt)
        # Kept first: from here on no lack of memory or descriptors loses the run.
        url, file = self._settings.database.url, spool.keep_attempt(self._spool, attempt, self._settings.database.url)
        from monitor.store.deliver import deliver_kept  # noqa: PLC0415  see above

        deliver_kept(attempt, file, url, self._spool)
        self._count_data(attempt.run)
        rates = self._expected_rates(attempt)
        next_attempt = policy.next_attempt(self._settings.retry, request, self._runs, rates)
        self._report(attempt.run, next_attempt)
        return next_attempt

    def _check_clock(self, start: ClockReading) -> ClockEvidence:
        """Return what is known of the wall clock at the end of an attempt; the store is asked if it is on this machine.

        One that is elsewhere may not be reached now, and the result must be saved soon.
        """
        from monitor.collect.validation import ClockEvidence  # noqa: PLC0415  needed only after a test
        from monitor.store.read import latest_starts  # noqa: PLC0415  loads SQLAlchemy

        url, end = self._settings.database.url, self._runtime.read_clocks()
        try:
            stored = latest_starts(url, self._settings.probe.name) if database_file.sqlite_path(url) else (None, None)
        except StoreError as error:
            _log.debug("the clock is not compared with the newest stored run: %s", error)
            stored = (None, None)
        return ClockEvidence(start, end, self._runtime.synchronised(), *stored)

    def _to_attempt(self, request: TestRequest, result: Outcome, run_id: str, clock: ClockEvidence) -> Attempt:
        """Return the row of an attempt that ends now."""
        from monitor.collect.validation import clock_remarks  # noqa: PLC0415  needed only after a test

        doubts = servers.denied_server_remarks(request, result.measurement, self._settings.servers.deny)
        clock_doubts = () if result.status is Status.SKIPPED else clock_remarks(clock)
        result = replace(result, remarks=(*result.remarks, *doubts, *clock_doubts))
        return outcome.to_attempt(self._settings, request, result, run_id, clock.times())

    def _uplink_remarks(self, path: NetworkPath) -> tuple[Remark, ...]:
        """Return the doubt about a tunnel that took the uplink's place; any other uplink is remembered."""
        from monitor.collect.uplink import find_uplink_now, judge_uplink  # noqa: PLC0415  after the engine

        if (now := find_uplink_now(path, self._settings.namespace)) is None:
            return ()
        if remark := judge_uplink(self._state.uplinks.get(path.value), now):
            return (remark,)
        self._save(replace(self._state, uplinks={**self._state.uplinks, path.value: now.link}))
        return ()

    def _remember(self, request: TestRequest, attempt: Attempt) -> None:
        """Save which engine is in back-off, which server came last, and who answered on the line.

        Before the row is stored, which may fail.
        """
        run = attempt.run
        if run.status is Status.SKIPPED:
            return
        before = self._state
        backoffs = {name: backoff for name, backoff in before.rests.items() if name != run.engine}
        backoff = policy.next_backoff(
            self._settings.retry, before.rests.get(run.engine), run, int(run.finished_at.timestamp())
        )
        last = request.server_id if request.rotates and request.server_id else before.last_server
        line = line_memory.update(before.line, run, attempt.findings, f"{self._settings.namespace.name}-root")
        rests = backoffs | ({run.engine: backoff} if backoff else {})
        self._save(replace(before, rests=rests, last_server=last, line=line))

    def _count_data(self, run: Run) -> None:
        """Save how much data the tests of this month have used, where there is a limit."""
        if not self._settings.budget.month_gb or run.status is Status.SKIPPED:
            return
        from monitor.store.statistics import data_used_this_month  # noqa: PLC0415  6 ms, and few set a limit

        try:
            self._save(replace(self._state, spent=data_used_this_month(self._settings, run.finished_at)))
        except StoreError as error:
            _log.warning("the data used this month cannot be counted: %s", error)

    def _save(self, changed: state.CollectState) -> None:
        if changed != self._state:
            state.save_state(self._state_file, changed)
            self._state = changed

    def _expected_rates(self, attempt: Attempt) -> ExpectedRates:
        """Return what the line should give; unknown rates where the settings ask for no second test."""
        if not self._settings.retry.second_below_pct or attempt.run.status is not Status.OK:
            return ExpectedRates()
        from monitor.store.statistics import recent_medians  # noqa: PLC0415  6 ms, and few ask for a second test

        try:
            return policy.expected_rates(attempt.plan, recent_medians(self._settings, attempt.run))
        except StoreError as error:
            _log.warning("the recent median cannot be read: %s", error)
            return policy.expected_rates(attempt.plan, ExpectedRates())
