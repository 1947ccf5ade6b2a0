"""The attempts of one order, under one lock: may it start, measure, keep, remember, and what follows.

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

    Tell = Callable[[Run, retry.Next | None], None]

_log = logging.getLogger(__name__)


class Series:
    """Makes the attempts of an order, one row each.

    Args:
        settings: all settings.
        world: what a test needs of its surroundings.
        interrupts: the signals that end it.
        tell: called with each row once it is stored, and with the attempt that is to follow it, if any.
    """

    def __init__(self, settings: Settings, world: World, interrupts: Interrupts, tell: Tell) -> None:
        self._settings = settings
        self._world = world
        self._interrupts = interrupts
        self._tell = tell
        self._state_dir = paths.state_dir(world.environ, world.uid)
        self._memory = memory.Memory()
        self._tried: list[Run] = []
        self._code = 0

    def run(self, order: Order) -> tuple[Run, int]:
        """Make attempts until one is the last; return its row and exit code, 128 + its number after a signal."""
        self._memory = memory.load(self._state_dir / memory.NAME)
        started.recover(self._state_dir / "spool")
        following = self._attempt(servers.rotated(order, self._settings, self._memory.last_server))
        while following is not None:
            if not self._interrupts.wait(following.wait_s):
                return self._tried[-1], outcome.SIGNALLED + (self._interrupts.signal or 0)
            following = self._attempt(following.order)
        return self._tried[-1], self._code

    def leave_busy(self, order: Order) -> tuple[Run, int]:
        """Leave a row for an order that found another test running; return it and its exit code."""
        found = outcome.busy(order.engine)
        self._conclude(order, self._row(order, found, self._world.clock()), found.code)
        return self._tried[-1], self._code

    def _attempt(self, order: Order) -> retry.Next | None:
        """Make one attempt, or leave a row that says why not; return what follows."""
        begun = self._world.clock()
        admitted = self._admit(order, begun)
        if isinstance(admitted, Order):
            return self._measure(admitted, order, begun)
        if self._tried:
            return None
        found = outcome.skipped(order.engine, admitted)
        return self._conclude(order, self._row(order, found, begun), found.code)

    def _measure(self, admitted: Order, order: Order, begun: datetime) -> retry.Next | None:
        """Make one test; the note of it lasts until its row is kept."""
        run_id = new_id()
        cut_off = outcome.attempt(self._settings, admitted, outcome.cut_off(admitted.engine), run_id, (begun, begun))
        with started.noted(self._state_dir / "spool", cut_off):
            found = measure(self._settings, admitted, self._world, self._interrupts)
            doubts = servers.remarks(admitted, found.measurement, self._settings.servers.deny)
            found = replace(found, remarks=(*found.remarks, *doubts))
            return self._conclude(order, self._row(admitted, found, begun, run_id), found.code)

    def _admit(self, order: Order, begun: datetime) -> Order | Failure:
        """Return the order as it may be carried out now, or why it may not."""
        settings, local = self._settings, begun
        if settings.schedule.quiet:
            from monitor import zone  # noqa: PLC0415  reads the list of zones

            local = begun.astimezone(zone.resolve(settings.schedule.timezone, "schedule.timezone"))
        failure = admission.obstacle(settings, order, self._memory, begun, local)
        return failure or self._with_engine(order, begun)

    def _with_engine(self, order: Order, begun: datetime) -> Order | Failure:
        """Return an order of `auto` with the engine that takes over while the one that would be taken rests."""
        rests = retry.resting(self._memory.rests, int(begun.timestamp()))
        if order.engine != engines.AUTO or order.anyway or not rests:
            return order
        env = environment(self._settings, order.path, self._world)
        ask = asker(env, self._interrupts)
        engine, _ = engines.choose(order.engine, self._settings, self._world.environ, ask)
        if (rest := rests.get(engine.name)) is None:
            return order
        other = engines.stand_in(self._settings, self._world.environ, ask, without=rests)
        if other is None:
            return admission.silenced(engine.name, rest)
        remark = admission.stand_in(engine.name, rest, other.name)
        return replace(order, engine=other.name, remarks=(*order.remarks, remark))

    def _row(self, order: Order, found: outcome.Outcome, begun: datetime, run_id: str | None = None) -> Attempt:
        run_id = run_id or new_id()
        return outcome.attempt(self._settings, order, found, run_id, (begun, self._world.clock()))

    def _conclude(self, order: Order, attempt: Attempt, code: int) -> retry.Next | None:
        """Keep an attempt, remember what the next test has to know, and tell; return what follows."""
        self._tried.append(attempt.run)
        self._code = code
        if attempt.run.status is not Status.SKIPPED:
            self._remember(order, attempt.run)
        _keep(attempt, self._settings, self._state_dir / "spool")
        if self._settings.budget.month_gb and attempt.run.status is not Status.SKIPPED:
            self._count_data(attempt.run.finished_at)
        following = retry.following(self._settings.retry, order, self._tried, self._hoped(attempt))
        self._tell(attempt.run, following)
        return following

    def _remember(self, order: Order, run: Run) -> None:
        """Note which engine rests and which server came last; before the row is kept, which may fail."""
        rests = {name: rest for name, rest in self._memory.rests.items() if name != run.engine}
        rest = retry.rest_after(
            self._settings.retry, self._memory.rests.get(run.engine), run, int(run.finished_at.timestamp())
        )
        last = order.server_id if order.rotates and order.server_id else self._memory.last_server
        self._save(replace(self._memory, rests=rests | ({run.engine: rest} if rest else {}), last_server=last))

    def _count_data(self, now: datetime) -> None:
        from monitor.store import usage  # noqa: PLC0415  SQLAlchemy: only after the engine has ended

        try:
            self._save(replace(self._memory, spent=usage.this_month(self._settings, now)))
        except StoreError as error:
            _log.warning("the data of this month cannot be counted: %s", error)

    def _save(self, changed: memory.Memory) -> None:
        if changed != self._memory:
            memory.save(self._state_dir / memory.NAME, changed)
            self._memory = changed

    def _hoped(self, attempt: Attempt) -> ExpectedRates:
        """Return what the line ought to give, where a second test may follow."""
        if not self._settings.retry.second_below_pct or attempt.run.status is not Status.OK:
            return ExpectedRates()
        from monitor.store import median  # noqa: PLC0415  the same

        try:
            return retry.expected(attempt.plan, median.of_late(self._settings, attempt.run))
        except StoreError as error:
            _log.warning("the median of late cannot be read: %s", error)
            return retry.expected(attempt.plan, ExpectedRates())


def _keep(attempt: Attempt, settings: Settings, spool_dir: Path) -> None:
    from monitor.store.keep import keep  # noqa: PLC0415  the same

    keep(attempt, settings.database.url, spool_dir)
