"""What follows an attempt: another one, and how; and how long an engine rests. Pure: outcomes in, decisions out.

By scope: a failure of the line, or of nobody known, is confirmed once; trouble of a provider gives its engine a rest,
and another engine takes over where the choice is ours; what is wrong with this machine or its configuration stays so.
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
# What an attempt needs beside its engine: the checks before, a list of servers, the probe of a failure, the store.
BESIDE_AN_ENGINE_S = 120
_NO_SUCH_SERVER = (Kind.SERVER_GONE, Kind.NO_SERVER, Kind.REFUSED)
_CONFIRMED = (Scope.LINE, Scope.UNKNOWN)
_NOTHING_EXPECTED = ExpectedRates()


@dataclass(frozen=True, slots=True)
class Next:
    """A further attempt: its order, and the seconds to wait before it."""

    order: Order
    wait_s: int = 0


def expected(plan: Plan, median: ExpectedRates) -> ExpectedRates:
    """Return what was sold where that is known, else the median."""
    return ExpectedRates(plan.download_bps or median.download_bps, plan.upload_bps or median.upload_bps)


def following(
    retry: Retry, order: Order, tried: Sequence[Run], rates: ExpectedRates = _NOTHING_EXPECTED
) -> Next | None:
    """Return what comes after the last of the runs tried, None when the series is over.

    Args:
        retry: the settings.
        order: the order of the last run.
        tried: the runs of the series, oldest first.
        rates: what the line ought to give, for a result that falls far below.
    """
    last = tried[-1]
    if len(tried) >= retry.attempts:
        return None
    again = replace(order, attempt=len(tried) + 1, retry_of=tried[0].id, trigger=Trigger.RETRY, remarks=())
    if last.status is Status.OK:
        return _second_test(retry, again, tried, rates)
    if last.status is Status.FAILED and last.failure is not None:
        return _after_failure(retry, again, tried, last.failure)
    return None


def _after_failure(retry: Retry, again: Order, tried: Sequence[Run], failure: Failure) -> Next | None:
    if failure.kind in _NO_SUCH_SERVER and again.server_id:
        words = f"server {again.server_id} cannot be had ({failure.message}): the engine chose another"
        return Next(replace(again, server_id="", remarks=(Remark(Doubt.SERVER_FALLBACK, words),)))
    if failure.scope is Scope.PROVIDER and again.engine == AUTO and _rest_s(retry, failure.kind)[0]:
        # Whoever insisted on the engine has had it.
        return Next(replace(again, anyway=False))
    if failure.scope in _CONFIRMED and not any(_is_confirmed(run) for run in tried[:-1]):
        return Next(again, retry.confirm_s)
    return None


def _is_confirmed(run: Run) -> bool:
    return run.failure is not None and run.failure.scope in _CONFIRMED


def _second_test(retry: Retry, again: Order, tried: Sequence[Run], rates: ExpectedRates) -> Next | None:
    low = _far_below(tried[-1], rates, retry.second_below_pct)
    if low is None or any(run.status is Status.OK for run in tried[:-1]):
        return None
    server = tried[-1].server
    known = (server.id,) if server and server.id else ()
    words = f"second test, on another server where there is one: the first gave {low}"
    remark = Remark(Doubt.SECOND_TEST, words)
    return Next(replace(again, server_id="", avoid=(*again.avoid, *known), remarks=(remark,)))


def _far_below(run: Run, rates: ExpectedRates, percent: int) -> str | None:
    """Say which rate of a run falls below a share of what was rates for, None when none does."""
    for name, rate, wanted in (
        ("download", run.download_bps, rates.download_bps),
        ("upload", run.upload_bps, rates.upload_bps),
    ):
        if rate is not None and wanted and rate * 100 < wanted * percent:
            return f"{100 * rate / wanted:.0f} % of the {name} that was to be expected"
    return None


def rest_after(retry: Retry, before: Rest | None, run: Run, now: int) -> Rest | None:
    """Return the rest of an engine after a run of it; None: it may be used at once.

    A success ends what was before; a failure that says nothing about the provider leaves it as it is.
    """
    if run.status is Status.OK:
        return None
    failure = run.failure
    if run.status is not Status.FAILED or failure is None or failure.scope is not Scope.PROVIDER:
        return before
    first_s, most_s = _rest_s(retry, failure.kind)
    in_a_row = before is not None and _rest_s(retry, before.kind) == (first_s, most_s)
    times = before.times + 1 if before and in_a_row else 1
    # Beyond so many doublings every rest is the longest.
    seconds = min(first_s * 2 ** min(times - 1, 16), most_s)
    return Rest(now, now + seconds, failure.kind, times)


def _rest_s(retry: Retry, kind: Kind) -> tuple[int, int]:
    """Return the first rest after a failure of a provider, and the longest."""
    if kind is Kind.RATE_LIMITED:
        return retry.rate_limit_s, LONGEST_REST_S
    return retry.provider_s, LONGEST_PROVIDER_REST_S


def resting(rests: Mapping[str, Rest], now: int) -> dict[str, Rest]:
    """Return the engines that rest; a rest from the future was written by a clock that has been set back since."""
    return {name: rest for name, rest in rests.items() if rest.since <= now < rest.until}


def longest_s(settings: Settings) -> int:
    """Return the seconds after which any series of attempts is over."""
    each = settings.cross.wait_s + settings.collect.timeout_s + BESIDE_AN_ENGINE_S
    return settings.retry.attempts * each + (settings.retry.attempts - 1) * settings.retry.confirm_s
