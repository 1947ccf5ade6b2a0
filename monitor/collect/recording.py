"""What follows the outcome of a test: its doubts, its row, and what is remembered for the next test.

Imported only when an engine has ended, as it loads the database; none of this may delay a test or its diagnosis.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.collect import line_memory, outcome, policy, servers
from monitor.collect.uplink import find_uplink_now, judge_uplink
from monitor.collect.validation import ClockEvidence, clock_remarks
from monitor.errors import StoreError
from monitor.model import ExpectedRates, Status
from monitor.store import database_file
from monitor.store.read import latest_starts

if TYPE_CHECKING:
    from monitor.collect.measure import Runtime
    from monitor.collect.outcome import Outcome, TestRequest
    from monitor.collect.state import CollectState
    from monitor.config.settings import Settings
    from monitor.model import Attempt, NetworkPath, Run
    from monitor.system.clock import ClockReading

_log = logging.getLogger(__name__)


def make_attempt(
    settings: Settings, request: TestRequest, result: Outcome, start: tuple[str, ClockReading], runtime: Runtime
) -> Attempt:
    """Return the row of an attempt that ends now, with the doubts about its server and its clock.

    `start` is the id of the run, and both clocks when the attempt started.
    """
    clock = _read_clock(settings, runtime, start[1])
    doubts = servers.denied_server_remarks(request, result.measurement, settings.servers.deny)
    clock_doubts = () if result.status is Status.SKIPPED else clock_remarks(clock)
    result = replace(result, remarks=(*result.remarks, *doubts, *clock_doubts))
    return outcome.to_attempt(settings, request, result, start[0], clock.times())


def _read_clock(settings: Settings, runtime: Runtime, start: ClockReading) -> ClockEvidence:
    """Return what is known of the wall clock at the end of an attempt; the store is asked if it is on this machine.

    One that is elsewhere may not be reached now, and the result must be saved soon.
    """
    url, end = settings.database.url, runtime.read_clocks()
    try:
        stored = latest_starts(url, settings.probe.name) if database_file.sqlite_path(url) else (None, None)
    except StoreError as error:
        _log.debug("the clock is not compared with the newest stored run: %s", error)
        stored = (None, None)
    return ClockEvidence(start, end, runtime.synchronised(), *stored)


def check_uplink(
    settings: Settings, state: CollectState, path: NetworkPath, result: Outcome
) -> tuple[Outcome, CollectState]:
    """Return the outcome with the doubt about a tunnel that took the uplink's place; the state has any other uplink."""
    if (now := find_uplink_now(path, settings.namespace)) is None:
        return result, state
    if remark := judge_uplink(state.uplinks.get(path.value), now):
        return replace(result, remarks=(*result.remarks, remark)), state
    return result, replace(state, uplinks={**state.uplinks, path.value: now.link})


def update_state(settings: Settings, before: CollectState, request: TestRequest, attempt: Attempt) -> CollectState:
    """Return the state with the engine that is in back-off, the last server, and who answered on the line."""
    run = attempt.run
    if run.status is Status.SKIPPED:
        return before
    backoffs = {name: backoff for name, backoff in before.rests.items() if name != run.engine}
    backoff = policy.next_backoff(settings.retry, before.rests.get(run.engine), run, int(run.finished_at.timestamp()))
    last = request.server_id if request.rotates and request.server_id else before.last_server
    line = line_memory.update(before.line, run, attempt.findings, f"{settings.namespace.name}-root")
    return replace(before, rests=backoffs | ({run.engine: backoff} if backoff else {}), last_server=last, line=line)


def read_history(settings: Settings, state: CollectState, attempt: Attempt) -> tuple[CollectState, ExpectedRates]:
    """Return the state with the data used this month, and what the line should give.

    Each only where the settings need it: a limit of data, and a second test after a low result.
    """
    run, rates = attempt.run, ExpectedRates()
    if settings.budget.month_gb and run.status is not Status.SKIPPED:
        state = _count_data(settings, state, run)
    if settings.retry.second_below_pct and run.status is Status.OK:
        rates = _read_expected_rates(settings, attempt)
    return state, rates


def _count_data(settings: Settings, before: CollectState, run: Run) -> CollectState:
    """Return the state with the data that the tests of this month have used; as it was if the store cannot say."""
    from monitor.store.statistics import data_used_this_month  # noqa: PLC0415  6 ms, and few set a limit

    try:
        return replace(before, spent=data_used_this_month(settings, run.finished_at))
    except StoreError as error:
        _log.warning("the data used this month cannot be counted: %s", error)
        return before


def _read_expected_rates(settings: Settings, attempt: Attempt) -> ExpectedRates:
    """Return what the line should give: its plan, or the recent median if the store can say."""
    from monitor.store.statistics import recent_medians  # noqa: PLC0415  6 ms, and few ask for a second test

    try:
        return policy.expected_rates(attempt.plan, recent_medians(settings, attempt.run))
    except StoreError as error:
        _log.warning("the recent median cannot be read: %s", error)
        return policy.expected_rates(attempt.plan, ExpectedRates())
