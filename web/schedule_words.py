"""How tests are scheduled, in words: by this daemon, or by another program as the stored runs show. Pure."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from monitor.model import Trigger
from monitor.output.units import format_long_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from monitor.model import Run
    from web.views import Viewpoint


# So many tests show a rhythm, if so large a part of the gaps between them is about the same.
MIN_TESTS, MIN_SHARE = 5, 0.6

# How far a gap may be from the usual one: for jitter, and for tests that take their time.
TOLERANCE, MIN_TOLERANCE_S = 0.15, 60.0

# A rhythm is over after so many gaps without a test.
OVER_GAPS = 2.5

BY_WHOM = {Trigger.SCHEDULE: "A timer or another daemon", Trigger.CLI: "Cron or another program"}


def describe_schedule(next_slot: datetime | None, newest_first: Sequence[Run], viewpoint: Viewpoint) -> str:
    """Return who runs tests, and how often."""
    if next_slot is not None:
        return f"This daemon runs the tests; the next one is due {viewpoint.until(next_slot)}."
    asked = [run for run in newest_first if run.trigger in BY_WHOM and run.attempt == 1]
    rhythm = usual_gap(asked)
    if rhythm is None:
        return "No schedule can be seen: this daemon runs no tests by itself, and the last ones have no rhythm."
    every, whom = format_long_duration(rhythm), BY_WHOM[asked[0].trigger]
    last = asked[0].started_at
    if viewpoint.now - last > OVER_GAPS * rhythm:
        return f"{whom} ran a test every {every} until {viewpoint.moment(last)}."
    return f"{whom} runs a test every {every}; the last one began {viewpoint.age(last)}."


def usual_gap(newest_first: Sequence[Run]) -> timedelta | None:
    """Return the time from one test to the next, rounded to a minute; None if they have no rhythm."""
    starts = [run.started_at.timestamp() for run in newest_first]
    gaps = [later - earlier for later, earlier in pairwise(starts)]
    if len(starts) < MIN_TESTS:
        return None
    usual = median(gaps)
    near = sum(abs(gap - usual) <= max(MIN_TOLERANCE_S, TOLERANCE * usual) for gap in gaps)
    if usual < MIN_TOLERANCE_S or near < MIN_SHARE * len(gaps):
        return None
    return timedelta(minutes=round(usual / 60))
