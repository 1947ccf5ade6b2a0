"""Whether a test may start now: quiet hours, the month's data, engines in back-off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.collect import policy
from monitor.collect.outcome import TestRequest
from monitor.collect.state import Backoff, CollectState
from monitor.config.settings import BudgetSettings, ScheduleSettings, Settings
from monitor.model import DataUsed, FailureKind, NetworkPath, Scope, Trigger

NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)

SECOND = int(NOW.timestamp())

ORDER = TestRequest("ookla", NetworkPath.HOST, "", Trigger.SCHEDULE)

NOTHING = CollectState()

RESTING = CollectState({"ookla": Backoff(SECOND, SECOND + 3600, FailureKind.RATE_LIMITED, 2)})


def stage(
    settings: Settings, request: TestRequest = ORDER, memory: CollectState = NOTHING, local: datetime = NOW
) -> str | None:
    """Return what is in the way."""
    failure = policy.reason_to_skip(settings, request, memory, (NOW, local))
    if failure is None:
        return None
    assert (failure.kind, failure.scope) == (FailureKind.UNKNOWN, Scope.LOCAL)
    return failure.stage


@pytest.mark.parametrize(
    ("hours", "clock", "inside"),
    [
        ("22:00-06:00", "21:59", False),
        ("22:00-06:00", "22:00", True),
        ("22:00-06:00", "00:00", True),
        ("22:00-06:00", "05:59", True),
        ("22:00-06:00", "06:00", False),
        ("12:00-13:30", "13:29", True),
        ("12:00-13:30", "13:30", False),
        ("00:00-00:00", "17:00", True),
    ],
)
def test_hours(hours: str, clock: str, inside: bool):
    """Hours hold from their first minute to before their last, past midnight too."""
    local = datetime.combine(NOW, time.fromisoformat(clock), UTC)
    assert (policy.quiet_hours_at([hours], local) == hours) is inside


@given(st.times(), st.times(), st.times())
def test_hours_and_their_opposite_share_the_day(begin: time, end: time, now: time):
    """Each minute lies in the hours from one time to another or in those back, never in both."""
    there, back = f"{begin:%H:%M}-{end:%H:%M}", f"{end:%H:%M}-{begin:%H:%M}"
    hours_now = [policy.quiet_hours_at([hours], datetime.combine(NOW, now)) for hours in (there, back)]
    assert hours_now.count(None) == (0 if there == back else 1)


def test_only_the_schedule_keeps_quiet():
    """Quiet hours hold for scheduled tests, in the schedule's zone; who asks for a test gets one."""
    settings = Settings(schedule=ScheduleSettings(quiet=["22:00-06:00"]))
    assert stage(settings) == "quiet_hours"
    assert stage(settings, replace(ORDER, trigger=Trigger.CLI)) is None
    assert stage(settings, local=NOW.astimezone(ZoneInfo("Asia/Tokyo"))) is None


@pytest.mark.parametrize(
    ("spent", "limit", "expected"),
    [
        (None, 1, None),
        (DataUsed(10**9, SECOND + 1), 1, "budget"),
        (DataUsed(10**9 - 1, SECOND + 1), 1, None),
        (DataUsed(10**12, SECOND), 1, None),
        (DataUsed(10**12, SECOND + 1), 0, None),
    ],
)
def test_the_budget_of_the_month(spent: DataUsed | None, limit: float, expected: str | None):
    """A month whose data is used takes no test until it ends; without a limit, or word of usage, it does."""
    assert stage(Settings(budget=BudgetSettings(limit)), memory=CollectState(spent=spent)) == expected


def test_a_named_engine_that_rests_says_until_when():
    """The row of a test that was not started says who rests, how long and why."""
    failure = policy.reason_to_skip(Settings(), ORDER, RESTING, (NOW, NOW))
    assert failure is not None
    assert failure.stage == "silenced"
    assert failure.message.startswith(
        "engine ookla is in back-off until 2026-11-24T00:30:00Z (rate_limited, 2 times in a row);"
    )


@pytest.mark.parametrize("engine", ["speedtest-cli", "auto"])
def test_others_do_not_rest(engine: str):
    """The rest of one engine is none of another's."""
    assert stage(Settings(), replace(ORDER, engine=engine), RESTING) is None
