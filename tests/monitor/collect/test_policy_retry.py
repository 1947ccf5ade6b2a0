"""What follows an attempt, and how long an engine is in back-off: tables, and properties of any input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from example_runs import MEASURED
from hypothesis import given
from hypothesis import strategies as st

from monitor.collect import policy
from monitor.collect.outcome import TestRequest
from monitor.collect.policy import active_backoffs, next_attempt, next_backoff
from monitor.collect.state import Backoff
from monitor.config.settings import CollectSettings, CrossTrafficSettings, RetrySettings, Settings
from monitor.model import (
    Doubt,
    ExpectedRates,
    Failure,
    FailureKind,
    NetworkPath,
    Plan,
    Remark,
    Run,
    Scope,
    Server,
    Status,
    Trigger,
)
from monitor.scheduler import subprocesses

ORDER = TestRequest("ookla", NetworkPath.HOST, "", Trigger.CLI)

AUTO = replace(ORDER, engine="auto")

PINNED = replace(ORDER, server_id="42")

PATIENT = RetrySettings(attempts=4, confirm_s=20)

NOW = 1_800_000_000

HOUR = 3600


def failed(scope: Scope, kind: FailureKind = FailureKind.UNKNOWN, **changes: Any) -> Run:
    """Return a run that failed."""
    return replace(MEASURED, id="first", status=Status.FAILED, failure=Failure(kind, scope, None, "words"), **changes)


@pytest.mark.parametrize(
    ("wanted", "run", "wait_s"),
    [
        (ORDER, failed(Scope.LINE, FailureKind.DNS), 20),
        (ORDER, failed(Scope.UNKNOWN, FailureKind.TIMEOUT), 20),
        (AUTO, failed(Scope.LINE), 20),
        (AUTO, failed(Scope.PROVIDER, FailureKind.PROVIDER_DOWN), 0),
        (AUTO, failed(Scope.PROVIDER, FailureKind.RATE_LIMITED), 0),
        (PINNED, failed(Scope.CONFIG, FailureKind.SERVER_GONE), 0),
        (PINNED, failed(Scope.UNKNOWN, FailureKind.NO_SERVER), 0),
        (PINNED, failed(Scope.PROVIDER, FailureKind.REFUSED), 0),
    ],
)
def test_what_is_tried_again(wanted: TestRequest, run: Run, wait_s: int):
    """The line is confirmed after a while; another engine or server takes over at once."""
    step = next_attempt(PATIENT, wanted, [run])
    assert step is not None
    assert (step.wait_s, step.request.engine, step.request.attempt) == (wait_s, wanted.engine, 2)
    assert (step.request.retry_of, step.request.trigger) == ("first", Trigger.RETRY)


@pytest.mark.parametrize(
    ("wanted", "run"),
    [
        (ORDER, MEASURED),
        (ORDER, failed(Scope.PROVIDER, FailureKind.PROVIDER_DOWN)),
        (ORDER, failed(Scope.PROVIDER, FailureKind.RATE_LIMITED)),
        (AUTO, failed(Scope.CONFIG, FailureKind.LICENCE)),
        (AUTO, failed(Scope.CONFIG, FailureKind.NOT_INSTALLED)),
        (ORDER, failed(Scope.CONFIG, FailureKind.SERVER_GONE)),
        (AUTO, failed(Scope.LOCAL, FailureKind.NAMESPACE)),
        (AUTO, replace(failed(Scope.LOCAL, FailureKind.INTERRUPTED), status=Status.INTERRUPTED)),
        (AUTO, replace(failed(Scope.LOCAL), status=Status.SKIPPED)),
    ],
)
def test_what_is_not_tried_again(wanted: TestRequest, run: Run):
    """What a second test cannot fix, or what a named engine's provider does not want, is left at one."""
    assert next_attempt(PATIENT, wanted, [run]) is None


def test_without_rests_nobody_takes_over():
    """An engine that is never to rest would only be asked again at once."""
    assert next_attempt(RetrySettings(provider_s=0), AUTO, [failed(Scope.PROVIDER, FailureKind.PROVIDER_DOWN)]) is None


def test_the_line_is_confirmed_once():
    """Two failures of the line settle it, however many attempts are allowed."""
    assert next_attempt(PATIENT, ORDER, [failed(Scope.LINE), failed(Scope.LINE)]) is None


def test_a_server_that_is_gone_is_replaced_and_reported():
    """The second test lets the engine choose, and its row says which server could not be had."""
    step = next_attempt(PATIENT, PINNED, [failed(Scope.CONFIG, FailureKind.SERVER_GONE)])
    assert step is not None
    words = "server 42 is not available (words): the engine chose another"
    assert (step.request.server_id, step.request.remarks) == ("", (Remark(Doubt.SERVER_FALLBACK, words),))


@pytest.mark.parametrize(
    ("plan", "median", "percent", "low"),
    [
        (Plan(1_000_000_000), ExpectedRates(), 50, "10 % of the expected download"),
        (Plan(upload_bps=100_000_000), ExpectedRates(), 50, "17 % of the expected upload"),
        (Plan(), ExpectedRates(1_000_000_000), 50, "10 % of the expected download"),
        (Plan(100_000_000), ExpectedRates(1_000_000_000), 50, None),
        (Plan(1_000_000_000), ExpectedRates(), 0, None),
        (Plan(), ExpectedRates(), 50, None),
    ],
)
def test_a_result_far_below_is_tested_on_another_server(
    plan: Plan, median: ExpectedRates, percent: int, low: str | None
):
    """The plan is the measure where it is known, else the median; without either, or unasked, there is none."""
    step = next_attempt(
        RetrySettings(second_below_pct=percent),
        PINNED,
        [replace(MEASURED, id="a")],
        policy.expected_rates(plan, median),
    )
    assert (step is None) is (low is None)
    if step and low:
        assert (step.request.server_id, step.request.avoid) == ("", ("22774",))
        assert low in step.request.remarks[0].message


def test_a_second_test_is_the_last():
    """A second result that is as low ends it."""
    low = replace(MEASURED, id="a", server=Server("1"))
    assert (
        next_attempt(RetrySettings(attempts=4, second_below_pct=50), ORDER, [low, low], ExpectedRates(10**12)) is None
    )


@given(
    st.builds(RetrySettings, attempts=st.integers(1, 4), second_below_pct=st.integers(0, 100)),
    st.sampled_from([ORDER, AUTO, PINNED]),
    st.lists(
        st.sampled_from([MEASURED, *(failed(scope, kind) for scope in Scope for kind in FailureKind)]), min_size=5
    ),
)
def test_every_series_ends(settings: RetrySettings, wanted: TestRequest, runs: list[Run]):
    """Whatever comes of them, there are never more attempts than the settings allow, each linked to the first."""
    tried = runs[:1]
    while step := next_attempt(settings, wanted, tried, ExpectedRates(10**13, 10**13)):
        assert (step.request.attempt, step.request.retry_of) == (len(tried) + 1, runs[0].id)
        wanted, tried = step.request, runs[: len(tried) + 1]
    assert len(tried) <= settings.attempts


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        (FailureKind.PROVIDER_DOWN, [300, 600, 1200, 2400, HOUR, HOUR]),
        (FailureKind.RATE_LIMITED, [4 * HOUR, 8 * HOUR, 16 * HOUR, 24 * HOUR, 24 * HOUR]),
    ],
)
def test_rests_double(kind: FailureKind, seconds: list[int]):
    """An engine rests twice as long after each further failure of its provider, up to an hour or a day."""
    backoff, rests = None, []
    for _ in seconds:
        backoff = next_backoff(RetrySettings(), backoff, failed(Scope.PROVIDER, kind), NOW)
        assert backoff is not None
        rests.append(backoff.until - backoff.since)
    assert rests == seconds


def test_a_rate_limit_begins_its_own_count():
    """Trouble of the provider before it does not make the first rest after a rate limit longer."""
    backoff = next_backoff(
        RetrySettings(),
        Backoff(0, 1, FailureKind.PROVIDER_DOWN, 5),
        failed(Scope.PROVIDER, FailureKind.RATE_LIMITED),
        NOW,
    )
    assert backoff == Backoff(NOW, NOW + 4 * HOUR, FailureKind.RATE_LIMITED, 1)


@pytest.mark.parametrize(("run", "stays"), [(MEASURED, False), (failed(Scope.LINE), True), (failed(Scope.LOCAL), True)])
def test_a_success_ends_a_back_off_and_a_dead_line_does_not(run: Run, stays: bool):
    """What says nothing about the provider leaves its rest as it is."""
    backoff = Backoff(0, NOW, FailureKind.PROVIDER_DOWN, 3)
    assert next_backoff(RetrySettings(), backoff, run, NOW) == (backoff if stays else None)


def test_who_rests():
    """A rest is over at its end, and one that begins in the future was written by a wrong clock."""
    rests = {
        "now": Backoff(NOW - 1, NOW + 1, FailureKind.REFUSED),
        "over": Backoff(NOW - 9, NOW, FailureKind.REFUSED),
        "future": Backoff(NOW + 9, NOW + 99, FailureKind.REFUSED),
    }
    assert list(active_backoffs(rests, NOW)) == ["now"]


def test_a_series_is_bounded():
    """Every attempt has its deadline and its surroundings, every wait its length."""
    settings = Settings(
        collect=CollectSettings(timeout_s=60),
        retry=RetrySettings(attempts=3, confirm_s=10),
        cross=CrossTrafficSettings(wait_s=5),
    )
    assert subprocesses.max_duration_s(settings) == 3 * (5 + 60 + 120) + 2 * 10
