"""The attempts of one request, under one lock: admission, test, storing, state for the next test, retries.

The store is imported when the first engine has ended, never before.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor import admission, engines, memory, outcome, paths, retry, servers, started
from monitor.errors import StoreError
from monitor.measure import asker, environment, measure
from monitor.model import ExpectedRates, Status
from monitor.outcome import Order, new_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from monitor.interrupts import Interrupts
    from monitor.measure import World
    from monitor.model import Attempt, Failure, Run
    from monitor.settings import Settings

    Report = Callable[[Run, retry.Next | None], None]

_log = logging.getLogger(__name__)


class Series:
    """Carries out a request in one or more attempts, one row each.

    Args:
        settings: all settings.
        world: what a test needs from its surroundings.
        interrupts: the signals that end it.
        report: called with each row once it is stored, and with the attempt that will follow it, if any.
    """

    def __init__(self, settings: Settings, world: World, interrupts: Interrupts, report: Report) -> None:
        self._settings = settings
        self._world = world
        self._interrupts = interrupts
        self._report = report
        self._state_dir = paths.state_dir(world.environ, world.uid)
        self._memory = memory.Memory()
        self._runs: list[Run] = []
        self._code = 0

    def run(self, request: Order) -> tuple[Run, int]:
        """Make attempts until none follows; return the last row and its exit code, 128 + its number after a signal."""
        self._memory = memory.load(self._state_dir / memory.NAME)
        started.recover(self._state_dir / "spool")
        next_attempt = self._attempt(servers.rotated(request, self._settings, self._memory.last_server))
        while next_attempt is not None:
            if not self._interrupts.wait(next_attempt.wait_s):
                return self._runs[-1], outcome.SIGNALLED + (self._interrupts.signal or 0)
            next_attempt = self._attempt(next_attempt.request)
        return self._runs[-1], self._code

    def skip_busy(self, request: Order) -> tuple[Run, int]:
        """Store a row for a request that found another test running; return it and its exit code."""
        result = outcome.busy(request.engine)
        self._finish_attempt(request, self._row(request, result, self._world.clock()), result.code)
        return self._runs[-1], self._code

    def _attempt(self, request: Order) -> retry.Next | None:
        """Make one attempt, or store a row that says why there was none; return the attempt that follows, if any."""
        started_at = self._world.clock()
        admitted = self._admit(request, started_at)
        if isinstance(admitted, Order):
            return self._measure(admitted, request, started_at)
        if self._runs:
            return None
        result = outcome.skipped(request.engine, admitted)
        return self._finish_attempt(request, self._row(request, result, started_at), result.code)

    def _measure(self, effective: Order, request: Order, started_at: datetime) -> retry.Next | None:
        """Run one test; the note that it is under way lasts until its row is stored."""
        run_id = new_id()
        cut_off = outcome.attempt(
            self._settings, effective, outcome.cut_off(effective.engine), run_id, (started_at, started_at)
        )
        with started.noted(self._state_dir / "spool", cut_off):
            result = measure(self._settings, effective, self._world, self._interrupts)
            doubts = servers.remarks(effective, result.measurement, self._settings.servers.deny)
            result = replace(result, remarks=(*result.remarks, *doubts))
            return self._finish_attempt(request, self._row(effective, result, started_at, run_id), result.code)

    def _admit(self, request: Order, started_at: datetime) -> Order | Failure:
        """Return the request as it may be carried out now, or why it may not."""
        settings, local_time = self._settings, started_at
        if settings.schedule.quiet:
            from monitor import zone  # noqa: PLC0415  reads the list of zones

            local_time = started_at.astimezone(zone.resolve(settings.schedule.timezone, "schedule.timezone"))
        failure = admission.obstacle(settings, request, self._memory, started_at, local_time)
        return failure or self._with_engine(request, started_at)

    def _with_engine(self, request: Order, started_at: datetime) -> Order | Failure:
        """Return a request for `auto` with the engine that takes over while the first choice is in back-off."""
        backoffs = retry.resting(self._memory.rests, int(started_at.timestamp()))
        if request.engine != engines.AUTO or request.anyway or not backoffs:
            return request
        env = environment(self._settings, request.path, self._world)
        ask = asker(env, self._interrupts)
        engine, _ = engines.choose(request.engine, self._settings, self._world.environ, ask)
        if (backoff := backoffs.get(engine.name)) is None:
            return request
        other = engines.stand_in(self._settings, self._world.environ, ask, without=backoffs)
        if other is None:
            return admission.silenced(engine.name, backoff)
        remark = admission.stand_in(engine.name, backoff, other.name)
        return replace(request, engine=other.name, remarks=(*request.remarks, remark))

    def _row(self, request: Order, result: outcome.Outcome, started_at: datetime, run_id: str | None = None) -> Attempt:
        run_id = run_id or new_id()
        return outcome.attempt(self._settings, request, result, run_id, (started_at, self._world.clock()))

    def _finish_attempt(self, request: Order, attempt: Attempt, code: int) -> retry.Next | None:
        """Store an attempt, save the state for the next test, and report; return the attempt that follows, if any."""
        self._runs.append(attempt.run)
        self._code = code
        if attempt.run.status is not Status.SKIPPED:
            self._remember(request, attempt.run)
        _keep(attempt, self._settings, self._state_dir / "spool")
        if self._settings.budget.month_gb and attempt.run.status is not Status.SKIPPED:
            self._count_data(attempt.run.finished_at)
        next_attempt = retry.following(self._settings.retry, request, self._runs, self._expected_rates(attempt))
        self._report(attempt.run, next_attempt)
        return next_attempt

    def _remember(self, request: Order, run: Run) -> None:
        """Save which engine is in back-off and which server came last; before the row is stored, which may fail."""
        backoffs = {name: backoff for name, backoff in self._memory.rests.items() if name != run.engine}
        backoff = retry.rest_after(
            self._settings.retry, self._memory.rests.get(run.engine), run, int(run.finished_at.timestamp())
        )
        last = request.server_id if request.rotates and request.server_id else self._memory.last_server
        self._save(replace(self._memory, rests=backoffs | ({run.engine: backoff} if backoff else {}), last_server=last))

    def _count_data(self, now: datetime) -> None:
        from monitor.store import usage  # noqa: PLC0415  SQLAlchemy: only after the engine has ended

        try:
            self._save(replace(self._memory, spent=usage.this_month(self._settings, now)))
        except StoreError as error:
            _log.warning("the data used this month cannot be counted: %s", error)

    def _save(self, changed: memory.Memory) -> None:
        if changed != self._memory:
            memory.save(self._state_dir / memory.NAME, changed)
            self._memory = changed

    def _expected_rates(self, attempt: Attempt) -> ExpectedRates:
        """Return what the line should give; unknown rates where the settings ask for no second test."""
        if not self._settings.retry.second_below_pct or attempt.run.status is not Status.OK:
            return ExpectedRates()
        from monitor.store import median  # noqa: PLC0415  the same

        try:
            return retry.expected(attempt.plan, median.of_late(self._settings, attempt.run))
        except StoreError as error:
            _log.warning("the recent median cannot be read: %s", error)
            return retry.expected(attempt.plan, ExpectedRates())


def _keep(attempt: Attempt, settings: Settings, spool_dir: Path) -> None:
    from monitor.store.keep import keep  # noqa: PLC0415  the same

    keep(attempt, settings.database.url, spool_dir)
