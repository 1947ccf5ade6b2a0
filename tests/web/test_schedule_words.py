"""How the page says who runs the tests, also where cron does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from example_runs import START, make_attempt

from monitor.model import Trigger
from web.schedule_words import describe_schedule, usual_gap
from web.views import Viewpoint

NONE = "No schedule can be seen: this daemon runs no tests by itself, and the last ones have no rhythm."


def said(minutes: list[float], now: float, next_slot: datetime | None = None, trigger: Trigger = Trigger.CLI) -> str:
    """Return what is said of tests that began so many minutes after the first."""
    runs = [make_attempt(at, trigger=trigger).run for at in sorted(minutes, reverse=True)]
    viewpoint = Viewpoint(START + timedelta(minutes=now), ZoneInfo("UTC"))
    return describe_schedule(next_slot, runs, viewpoint)


@pytest.mark.parametrize(
    ("minutes", "now", "trigger", "text"),
    [
        ([], 0, Trigger.CLI, NONE),
        ([0, 15, 30, 45], 50, Trigger.CLI, NONE),
        ([0, 2, 50, 53, 200, 1000], 1001, Trigger.CLI, NONE),
        ([0, 15, 30, 45, 60], 65, Trigger.IMPORT, NONE),
        ([0, 15, 30.5, 45, 60], 65, Trigger.CLI, "Cron or another program runs a test every 15 min"),
        ([0, 15, 17, 30, 45, 60, 75, 90], 95, Trigger.CLI, "Cron or another program runs a test every 15 min"),
        ([0, 60, 120, 180, 240], 250, Trigger.SCHEDULE, "A timer or another daemon runs a test every 1 h"),
        ([0, 15, 30, 45, 60], 500, Trigger.CLI, "Cron or another program ran a test every 15 minutes until "),
    ],
)
def test_the_runs_show_the_rhythm(minutes: list[float], now: float, trigger: Trigger, text: str):
    """Tests at equal distances are a schedule, whoever runs it; some by hand between them do not hide it."""
    assert said(minutes, now, trigger=trigger).startswith(text)


def test_the_own_schedule_is_known():
    """Where this daemon runs the tests, the next one is named."""
    text = said([0], 1, datetime(2026, 11, 23, 14, 0, tzinfo=UTC))
    assert text.startswith("This daemon runs the tests; the next one is due ")


def test_retries_are_no_rhythm():
    """A test and its retry are one."""
    runs = [make_attempt(at).run for at in (60, 45, 30, 15, 0)]
    assert usual_gap(runs) == timedelta(minutes=15)
