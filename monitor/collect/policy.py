"""May a test start, is it repeated, and how long is an engine left alone. Pure.

A test may not start in a pause, in quiet hours ("22:00-06:00"), over the month's data budget, or while its engine is in
back-off; it becomes a skipped row with the reason. What follows a failure depends on its scope: one of the line, or of
unknown scope, is confirmed by one more test; after one of the provider the engine is left alone for a while, and with
engine `auto` another one takes over; one of this machine or its configuration would only be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.collect.state import Backoff
from monitor.config.quiet_hours import quiet_hours_at
from monitor.engines.registry import AUTO
from monitor.model import Doubt, ExpectedRates, Failure, FailureKind, Remark, Scope, Status, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.collect.outcome import TestRequest
    from monitor.collect.state import CollectState
    from monitor.config.settings import RetrySettings, Settings
    from monitor.model import Plan, Run
    from monitor.store.pause import Pause


MAX_PROVIDER_BACKOFF_S = 3600

MAX_BACKOFF_S = 86_400

_SERVER_KINDS = (FailureKind.SERVER_GONE, FailureKind.NO_SERVER, FailureKind.REFUSED)

_CONFIRMED_SCOPES = (Scope.LINE, Scope.UNKNOWN)

_UNKNOWN_RATES = ExpectedRates()

GB = 10**9

# Stage of a test that was left out in a pause.
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Retry:
    """A further attempt: its request, and the seconds to wait before it."""

    request: TestRequest
    wait_s: int = 0


def expected_rates(plan: Plan, median: ExpectedRates) -> ExpectedRates:
    """Return the rates of the plan where they are known, else the median."""
    return ExpectedRates(plan.download_bps or median.download_bps, plan.upload_bps or median.upload_bps)


def next_attempt(
    settings: RetrySettings, request: TestRequest, runs: Sequence[Run], rates: ExpectedRates = _UNKNOWN_RATES
) -> Retry | None:
    """Return the attempt that follows the last run; None where none does.

    Args:
        settings: the retry settings.
        request: the request of the last run.
        runs: the runs so far, oldest first.
        rates: what the line should give: a result far below it is tested again.
    """
    last = runs[-1]
    if len(runs) >= settings.attempts:
        return None
    retry_request = replace(
        request, attempt=len(runs) + 1, retry_of=runs[0].id, trigger=Trigger.RETRY, remarks=(), run_id=None
    )
    if last.status is Status.OK:
        return _retry_low_result(settings, retry_request, runs, rates)
    if last.status is Status.FAILED and last.failure is not None:
        return _retry_after_failure(settings, retry_request, runs, last.failure)
    return None


def _retry_after_failure(
    settings: RetrySettings, retry_request: TestRequest, runs: Sequence[Run], failure: Failure
) -> Retry | None:
    if failure.kind in _SERVER_KINDS and retry_request.server_id:
        words = f"server {retry_request.server_id} is not available ({failure.message}): the engine chose another"
        return Retry(replace(retry_request, server_id="", remarks=(Remark(Doubt.SERVER_FALLBACK, words),)))
    if (
        failure.scope is Scope.PROVIDER
        and retry_request.engine == AUTO
        and _backoff_limits_s(settings, failure.kind)[0]
    ):
        # --anyway has been honoured by the first attempt.
        return Retry(replace(retry_request, anyway=False))
    if failure.scope in _CONFIRMED_SCOPES and not any(_is_of_confirmed_scope(run) for run in runs[:-1]):
        return Retry(retry_request, settings.confirm_s)
    return None


def _is_of_confirmed_scope(run: Run) -> bool:
    return run.failure is not None and run.failure.scope in _CONFIRMED_SCOPES


def _retry_low_result(
    settings: RetrySettings, retry_request: TestRequest, runs: Sequence[Run], rates: ExpectedRates
) -> Retry | None:
    low = _describe_shortfall(runs[-1], rates, settings.second_below_pct)
    if low is None or any(run.status is Status.OK for run in runs[:-1]):
        return None
    server = runs[-1].server
    known = (server.id,) if server and server.id else ()
    words = f"second test, on another server where there is one: the first measured {low}"
    remark = Remark(Doubt.SECOND_TEST, words)
    return Retry(replace(retry_request, server_id="", avoid=(*retry_request.avoid, *known), remarks=(remark,)))


def _describe_shortfall(run: Run, rates: ExpectedRates, percent: int) -> str | None:
    """Return in words by how much a rate of a run falls below `percent` of the expected one; None where none does."""
    for name, rate, expected_bps in (
        ("download", run.download_bps, rates.download_bps),
        ("upload", run.upload_bps, rates.upload_bps),
    ):
        if rate is not None and expected_bps and rate * 100 < expected_bps * percent:
            return f"{100 * rate / expected_bps:.0f} % of the expected {name}"
    return None


def next_backoff(settings: RetrySettings, before: Backoff | None, run: Run, now: int) -> Backoff | None:
    """Return the back-off of an engine after a run of it; None: it may be used at once.

    A success ends the back-off; a failure that says nothing about the provider leaves it as it is.
    """
    if run.status is Status.OK:
        return None
    failure = run.failure
    if run.status is not Status.FAILED or failure is None or failure.scope is not Scope.PROVIDER:
        return before
    first_s, max_s = _backoff_limits_s(settings, failure.kind)
    in_a_row = before is not None and _backoff_limits_s(settings, before.kind) == (first_s, max_s)
    times = before.times + 1 if before and in_a_row else 1
    # After 16 doublings every back-off is at its limit.
    seconds = min(first_s * 2 ** min(times - 1, 16), max_s)
    return Backoff(now, now + seconds, failure.kind, times)


def _backoff_limits_s(settings: RetrySettings, kind: FailureKind) -> tuple[int, int]:
    """Return the seconds of the first back-off after a failure of a provider, and of the longest."""
    if kind is FailureKind.RATE_LIMITED:
        return settings.rate_limit_s, MAX_BACKOFF_S
    return settings.provider_s, MAX_PROVIDER_BACKOFF_S


def active_backoffs(backoffs: Mapping[str, Backoff], now: int) -> dict[str, Backoff]:
    """Return the engines in back-off; a start in the future is ignored, as the clock has been set back since."""
    return {name: backoff for name, backoff in backoffs.items() if backoff.since <= now < backoff.until}


def reason_to_skip(
    settings: Settings,
    request: TestRequest,
    memory: CollectState,
    times: tuple[datetime, datetime],
    pause: Pause | None = None,
) -> Failure | None:
    """Return why a test must not start, None when it may.

    Args:
        settings: all settings.
        request: the request.
        memory: what the tests before have left.
        times: now, and the same in the time zone of the schedule.
        pause: the pause of the schedule that holds now.
    """
    now, local_time = times
    if request.anyway:
        return None
    return (
        _check_pause(request, pause)
        or _check_quiet_hours(settings, request, local_time)
        or _check_budget(settings, memory, now)
        or _check_backoff(request, memory, now)
    )


def backoff_failure(engine: str, backoff: Backoff) -> Failure:
    """Return the reason of a skipped test whose engine is in back-off."""
    return _skip_failure("silenced", f"{describe_backoff(engine, backoff)}; another one can be named with --engine")


def fallback_remark(engine: str, backoff: Backoff, other: str) -> Remark:
    """Return the remark on a test that another engine measured."""
    return Remark(Doubt.ENGINE_FALLBACK, f"{describe_backoff(engine, backoff)}; {other} took its place")


def describe_backoff(engine: str, backoff: Backoff) -> str:
    """Return in words until when an engine is in back-off, and why."""
    until = datetime.fromtimestamp(backoff.until, UTC)
    times = "" if backoff.times == 1 else f", {backoff.times} times in a row"
    return f"engine {engine} is in back-off until {until:%Y-%m-%dT%H:%M:%SZ} ({backoff.kind.value}{times})"


def _check_pause(request: TestRequest, pause: Pause | None) -> Failure | None:
    if pause is None or request.trigger is not Trigger.SCHEDULE:
        return None
    reason = f": {pause.reason}" if pause.reason else ""
    return _skip_failure(PAUSED, f"paused until {pause.ends_at:%Y-%m-%dT%H:%M:%SZ} (`speedmon resume` ends it){reason}")


def _check_quiet_hours(settings: Settings, request: TestRequest, local_time: datetime) -> Failure | None:
    hours = quiet_hours_at(settings.schedule.quiet, local_time) if request.trigger is Trigger.SCHEDULE else None
    return _skip_failure("quiet_hours", f"quiet hours {hours} (schedule.quiet)") if hours else None


def _check_budget(settings: Settings, memory: CollectState, now: datetime) -> Failure | None:
    limit, used = settings.budget.month_gb, memory.spent
    if not limit or used is None or now.timestamp() >= used.until or used.bytes < limit * GB:
        return None
    text = f"the tests of this month have used {used.bytes / GB:.2f} of {limit:g} GB (budget.month_gb)"
    return _skip_failure("budget", f"{text}; `speedmon usage` shows it")


def _check_backoff(request: TestRequest, memory: CollectState, now: datetime) -> Failure | None:
    """Return the back-off of the requested engine as the reason; a second attempt is allowed in spite of it."""
    if request.attempt > 1:
        return None
    backoff = active_backoffs(memory.rests, int(now.timestamp())).get(request.engine)
    return backoff_failure(request.engine, backoff) if backoff else None


def _skip_failure(stage: str, message: str) -> Failure:
    return Failure(FailureKind.UNKNOWN, Scope.LOCAL, stage, message)
