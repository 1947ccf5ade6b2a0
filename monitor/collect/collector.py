"""Carries out a request for a test: the lock, one or more attempts under it, and what follows each.

Nothing heavy may be imported before the engine has ended: what is needed afterwards, the database above all, is
imported in `Collector._finish_attempt`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.collect import outcome, policy, servers, state
from monitor.collect.measure import engine_runner, run_test
from monitor.collect.outcome import Outcome, TestRequest, new_run_id
from monitor.config import paths
from monitor.engines import registry
from monitor.errors import UsageError
from monitor.model import NetworkPath, Trigger
from monitor.store import database_file, pause, spool
from monitor.system import lock
from monitor.system.logs import set_run_id
from monitor.system.signals import Interrupts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from monitor.collect.measure import FinishedTest, Runtime
    from monitor.collect.policy import Retry
    from monitor.config.settings import Settings
    from monitor.model import Failure, Run
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
        self._finish_attempt(request, request, result, (request.run_id or new_run_id(), self._runtime.read_clocks()))
        return self._runs[-1], self._code

    def _attempt(self, request: TestRequest) -> Retry | None:
        """Make one attempt, or store a row that says why there was none; return the attempt that follows, if any."""
        start = (request.run_id or new_run_id(), self._runtime.read_clocks())
        set_run_id(start[0])
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
        # Here, as none may delay the engine; in this order, as SQLAlchemy must not delay a diagnosis.
        from monitor.collect import judge  # noqa: PLC0415  see above

        result = judge.judge_attempt(test, self._settings, self._interrupts, self._state.line)
        from monitor.collect import recording  # noqa: PLC0415  see above

        settings, url = self._settings, self._settings.database.url
        if not isinstance(test, Outcome):
            result, checked = recording.check_uplink(settings, self._state, test.path, result)
            self._save(checked)
        self._code = result.code
        attempt = recording.make_attempt(settings, effective, result, start, self._runtime)
        self._runs.append(attempt.run)
        # Before the row is stored, which may fail.
        self._save(recording.update_state(settings, self._state, request, attempt))
        # Kept first: from here on no lack of memory or descriptors loses the run.
        file = spool.keep_attempt(self._spool, attempt, url)
        from monitor.store.deliver import deliver_kept  # noqa: PLC0415  see above

        deliver_kept(attempt, file, url, self._spool)
        counted, rates = recording.read_history(settings, self._state, attempt)
        self._save(counted)
        next_attempt = policy.next_attempt(settings.retry, request, self._runs, rates)
        self._report(attempt.run, next_attempt)
        return next_attempt

    def _save(self, changed: state.CollectState) -> None:
        if changed != self._state:
            state.save_state(self._state_file, changed)
            self._state = changed
