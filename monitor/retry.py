"""Whether a test is repeated, and how long an engine is left alone after failures of its provider. Pure.

The scope of a failure decides: one of the line, or of unknown scope, is confirmed by one more test; after one of the
provider the engine is left alone for a while, and with engine `auto` another one takes over; one of this machine or its
configuration would only be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.engines import AUTO
from monitor.memory import Rest
from monitor.model import Doubt, ExpectedRates, Kind, Remark, Scope, Status, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.model import Failure, Plan, Run
    from monitor.outcome import Order
    from monitor.settings import Retry, Settings

LONGEST_PROVIDER_REST_S = 3600
LONGEST_REST_S = 86_400
# What an attempt needs besides the engine: checks, a list of servers, the diagnosis of a failure, storing.
BESIDE_AN_ENGINE_S = 120
_NO_SUCH_SERVER = (Kind.SERVER_GONE, Kind.NO_SERVER, Kind.REFUSED)
_CONFIRMED = (Scope.LINE, Scope.UNKNOWN)
_NOTHING_EXPECTED = ExpectedRates()


@dataclass(frozen=True, slots=True)
class Next:
    """A further attempt: its request, and the seconds to wait before it."""

    request: Order
    wait_s: int = 0


def expected(plan: Plan, median: ExpectedRates) -> ExpectedRates:
    """Return the rates of the plan where they are known, else the median."""
    return ExpectedRates(plan.download_bps or median.download_bps, plan.upload_bps or median.upload_bps)


def following(
    settings: Retry, request: Order, runs: Sequence[Run], rates: ExpectedRates = _NOTHING_EXPECTED
) -> Next | None:
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
    retry_request = replace(request, attempt=len(runs) + 1, retry_of=runs[0].id, trigger=Trigger.RETRY, remarks=())
    if last.status is Status.OK:
        return _second_test(settings, retry_request, runs, rates)
    if last.status is Status.FAILED and last.failure is not None:
        return _after_failure(settings, retry_request, runs, last.failure)
    return None


def _after_failure(settings: Retry, retry_request: Order, runs: Sequence[Run], failure: Failure) -> Next | None:
    if failure.kind in _NO_SUCH_SERVER and retry_request.server_id:
        words = f"server {retry_request.server_id} is not available ({failure.message}): the engine chose another"
        return Next(replace(retry_request, server_id="", remarks=(Remark(Doubt.SERVER_FALLBACK, words),)))
    if failure.scope is Scope.PROVIDER and retry_request.engine == AUTO and _rest_s(settings, failure.kind)[0]:
        # --anyway has been honoured by the first attempt.
        return Next(replace(retry_request, anyway=False))
    if failure.scope in _CONFIRMED and not any(_is_confirmed(run) for run in runs[:-1]):
        return Next(retry_request, settings.confirm_s)
    return None


def _is_confirmed(run: Run) -> bool:
    return run.failure is not None and run.failure.scope in _CONFIRMED


def _second_test(settings: Retry, retry_request: Order, runs: Sequence[Run], rates: ExpectedRates) -> Next | None:
    low = _far_below(runs[-1], rates, settings.second_below_pct)
    if low is None or any(run.status is Status.OK for run in runs[:-1]):
        return None
    server = runs[-1].server
    known = (server.id,) if server and server.id else ()
    words = f"second test, on another server where there is one: the first measured {low}"
    remark = Remark(Doubt.SECOND_TEST, words)
    return Next(replace(retry_request, server_id="", avoid=(*retry_request.avoid, *known), remarks=(remark,)))


def _far_below(run: Run, rates: ExpectedRates, percent: int) -> str | None:
    """Return in words by how much a rate of a run falls below `percent` of the expected one; None where none does."""
    for name, rate, expected_bps in (
        ("download", run.download_bps, rates.download_bps),
        ("upload", run.upload_bps, rates.upload_bps),
    ):
        if rate is not None and expected_bps and rate * 100 < expected_bps * percent:
            return f"{100 * rate / expected_bps:.0f} % of the expected {name}"
    return None


def rest_after(settings: Retry, before: Rest | None, run: Run, now: int) -> Rest | None:
    """Return the back-off of an engine after a run of it; None: it may be used at once.

    A success ends the back-off; a failure that says nothing about the provider leaves it as it is.
    """
    if run.status is Status.OK:
        return None
    failure = run.failure
    if run.status is not Status.FAILED or failure is None or failure.scope is not Scope.PROVIDER:
        return before
    first_s, max_s = _rest_s(settings, failure.kind)
    in_a_row = before is not None and _rest_s(settings, before.kind) == (first_s, max_s)
    times = before.times + 1 if before and in_a_row else 1
    # After 16 doublings every back-off is at its limit.
    seconds = min(first_s * 2 ** min(times - 1, 16), max_s)
    return Rest(now, now + seconds, failure.kind, times)


def _rest_s(settings: Retry, kind: Kind) -> tuple[int, int]:
    """Return the seconds of the first back-off after a failure of a provider, and of the longest."""
    if kind is Kind.RATE_LIMITED:
        return settings.rate_limit_s, LONGEST_REST_S
    return settings.provider_s, LONGEST_PROVIDER_REST_S


def resting(backoffs: Mapping[str, Rest], now: int) -> dict[str, Rest]:
    """Return the engines in back-off; a start in the future is ignored, as the clock has been set back since."""
    return {name: backoff for name, backoff in backoffs.items() if backoff.since <= now < backoff.until}


def longest_s(settings: Settings) -> int:
    """Return the seconds after which all attempts of any request are over."""
    attempt_s = settings.cross.wait_s + settings.collect.timeout_s + BESIDE_AN_ENGINE_S
    return settings.retry.attempts * attempt_s + (settings.retry.attempts - 1) * settings.retry.confirm_s
