"""`collect()`: lock, attempts under one lock, what follows each.

The attempts of one request, under one lock: admission, test, storing, state for the next test, retries.

The store is imported when the first engine has ended, never before.

One request for a test, from the command line to stored rows: takes the lock and hands over to `monitor.series`.

Nothing heavy may be imported before the engine has ended.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.collect import outcome, policy, servers, state
from monitor.collect.measure import command_runner, measure, prepare_environment
from monitor.collect.outcome import TestRequest, new_run_id
from monitor.config import paths
from monitor.engines import registry
from monitor.errors import StoreError, UsageError
from monitor.model import ExpectedRates, NetworkPath, Status
from monitor.store import database_file, spool
from monitor.system import lock
from monitor.system.signals import Interrupts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from monitor.collect.measure import Runtime
    from monitor.collect.policy import Retry
    from monitor.config.settings import Settings
    from monitor.model import Attempt, Failure, Run, Trigger

    Report = Callable[[Run, policy.Retry | None], None]


_log = logging.getLogger(__name__)


class Collector:
    """Carries out a request in one or more attempts, one row each.

    Args:
        settings: all settings.
        world: what a test needs from its surroundings.
        interrupts: the signals that end it.
        report: called with each row once it is stored, and with the attempt that will follow it, if any.
    """

    def __init__(self, settings: Settings, world: Runtime, interrupts: Interrupts, report: Report) -> None:
        self._settings = settings
        self._world = world
        self._interrupts = interrupts
        self._report = report
        self._state_dir = paths.state_dir(world.environ, world.uid)
        self._memory = state.CollectState()
        self._runs: list[Run] = []
        self._code = 0

    def run(self, request: TestRequest) -> tuple[Run, int]:
        """Make attempts until none follows; return the last row and its exit code, 128 + its number after a signal."""
        self._memory = state.load_state(self._state_dir / state.STATE_FILE)
        spool.recover_interrupted(self._state_dir / "spool")
        next_attempt = self._attempt(servers.rotate_server(request, self._settings, self._memory.last_server))
        while next_attempt is not None:
            if not self._interrupts.wait(next_attempt.wait_s):
                return self._runs[-1], outcome.EXIT_SIGNAL_BASE + (self._interrupts.signal or 0)
            next_attempt = self._attempt(next_attempt.request)
        return self._runs[-1], self._code

    def skip_busy(self, request: TestRequest) -> tuple[Run, int]:
        """Store a row for a request that found another test running; return it and its exit code."""
        result = outcome.busy_outcome(request.engine)
        self._finish_attempt(request, self._row(request, result, self._world.clock()), result.code)
        return self._runs[-1], self._code

    def _attempt(self, request: TestRequest) -> policy.Retry | None:
        """Make one attempt, or store a row that says why there was none; return the attempt that follows, if any."""
        started_at = self._world.clock()
        admitted = self._admit(request, started_at)
        if isinstance(admitted, TestRequest):
            return self._measure(admitted, request, started_at)
        if self._runs:
            return None
        result = outcome.skipped_outcome(request.engine, admitted)
        return self._finish_attempt(request, self._row(request, result, started_at), result.code)

    def _measure(self, effective: TestRequest, request: TestRequest, started_at: datetime) -> policy.Retry | None:
        """Run one test; the note that it is under way lasts until its row is stored."""
        run_id = new_run_id()
        cut_off = outcome.to_attempt(
            self._settings, effective, outcome.cut_off_outcome(effective.engine), run_id, (started_at, started_at)
        )
        with spool.started_note(self._state_dir / "spool", cut_off):
            result = measure(self._settings, effective, self._world, self._interrupts)
            doubts = servers.denied_server_remarks(effective, result.measurement, self._settings.servers.deny)
            result = replace(result, remarks=(*result.remarks, *doubts))
            return self._finish_attempt(request, self._row(effective, result, started_at, run_id), result.code)

    def _admit(self, request: TestRequest, started_at: datetime) -> TestRequest | Failure:
        """Return the request as it may be carried out now, or why it may not."""
        settings, local_time = self._settings, started_at
        if settings.schedule.quiet:
            from monitor import localtime  # noqa: PLC0415  reads the list of zones

            local_time = started_at.astimezone(localtime.resolve_zone(settings.schedule.timezone, "schedule.timezone"))
        failure = policy.reason_to_skip(settings, request, self._memory, started_at, local_time)
        return failure or self._with_engine(request, started_at)

    def _with_engine(self, request: TestRequest, started_at: datetime) -> TestRequest | Failure:
        """Return a request for `auto` with the engine that takes over while the first choice is in back-off."""
        backoffs = policy.active_backoffs(self._memory.rests, int(started_at.timestamp()))
        if request.engine != registry.AUTO or request.anyway or not backoffs:
            return request
        env = prepare_environment(self._settings, request.path, self._world)
        ask = command_runner(env, self._interrupts)
        engine, _ = registry.choose_engine(request.engine, self._settings, self._world.environ, ask)
        if (backoff := backoffs.get(engine.name)) is None:
            return request
        other = registry.choose_fallback(self._settings, self._world.environ, ask, without=backoffs)
        if other is None:
            return policy.backoff_failure(engine.name, backoff)
        remark = policy.fallback_remark(engine.name, backoff, other.name)
        return replace(request, engine=other.name, remarks=(*request.remarks, remark))

    def _row(
        self, request: TestRequest, result: outcome.Outcome, started_at: datetime, run_id: str | None = None
    ) -> Attempt:
        run_id = run_id or new_run_id()
        return outcome.to_attempt(self._settings, request, result, run_id, (started_at, self._world.clock()))

    def _finish_attempt(self, request: TestRequest, attempt: Attempt, code: int) -> policy.Retry | None:
        """Store an attempt, save the state for the next test, and report; return the attempt that follows, if any."""
        self._runs.append(attempt.run)
        self._code = code
        if attempt.run.status is not Status.SKIPPED:
            self._remember(request, attempt.run)
        _store_attempt(attempt, self._settings, self._state_dir / "spool")
        if self._settings.budget.month_gb and attempt.run.status is not Status.SKIPPED:
            self._count_data(attempt.run.finished_at)
        next_attempt = policy.next_attempt(self._settings.retry, request, self._runs, self._expected_rates(attempt))
        self._report(attempt.run, next_attempt)
        return next_attempt

    def _remember(self, request: TestRequest, run: Run) -> None:
        """Save which engine is in back-off and which server came last; before the row is stored, which may fail."""
        backoffs = {name: backoff for name, backoff in self._memory.rests.items() if name != run.engine}
        backoff = policy.next_backoff(
            self._settings.retry, self._memory.rests.get(run.engine), run, int(run.finished_at.timestamp())
        )
        last = request.server_id if request.rotates and request.server_id else self._memory.last_server
        self._save(replace(self._memory, rests=backoffs | ({run.engine: backoff} if backoff else {}), last_server=last))

    def _count_data(self, now: datetime) -> None:
        from monitor.store import statistics  # noqa: PLC0415  SQLAlchemy: only after the engine has ended

        try:
            self._save(replace(self._memory, spent=statistics.data_used_this_month(self._settings, now)))
        except StoreError as error:
            _log.warning("the data used this month cannot be counted: %s", error)

    def _save(self, changed: state.CollectState) -> None:
        if changed != self._memory:
            state.save_state(self._state_dir / state.STATE_FILE, changed)
            self._memory = changed

    def _expected_rates(self, attempt: Attempt) -> ExpectedRates:
        """Return what the line should give; unknown rates where the settings ask for no second test."""
        if not self._settings.retry.second_below_pct or attempt.run.status is not Status.OK:
            return ExpectedRates()
        from monitor.store import statistics  # noqa: PLC0415  the same

        try:
            return policy.expected_rates(attempt.plan, statistics.recent_medians(self._settings, attempt.run))
        except StoreError as error:
            _log.warning("the recent median cannot be read: %s", error)
            return policy.expected_rates(attempt.plan, ExpectedRates())


def _store_attempt(attempt: Attempt, settings: Settings, spool_dir: Path) -> None:
    from monitor.store.deliver import deliver_attempt  # noqa: PLC0415  the same

    deliver_attempt(attempt, settings.database.url, spool_dir)


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
    """Do nothing: nobody wants to know."""


def collect(
    settings: Settings,
    request: TestRequest,
    world: Runtime,
    report: Callable[[Run, Retry | None], None] = _report_nothing,
) -> tuple[Run, int]:
    """Run one test, and more where its failure calls for them; return the last row and its exit code.

    Args:
        settings: all settings.
        request: what is asked for.
        world: what a test needs from its surroundings.
        report: called with each row once it is stored, and with the attempt that will follow it, if any.

    Raises:
        StoreError: the database cannot be written; checked before the test where possible.
        UsageError: no lock file can be opened.
    """
    database_file.ensure_writable(settings.database.url)
    with Interrupts() as interrupts, lock.hold_lock(settings.collect.lock_file) as locked:
        series = Collector(settings, world, interrupts, report)
        return series.run(request) if locked else series.skip_busy(request)
