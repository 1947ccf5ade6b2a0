"""Ten years of hourly runs: a pattern of speeds, few failures, a plan that changes and changes back."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from example_runs import make_attempt, make_failed_attempt

from monitor.analysis.columns import Columns, RunAttributes
from monitor.localtime import Window
from monitor.model import Plan

TEN_YEARS = Window(datetime(2016, 11, 23, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))

SINCE, HOUR, RUNS = int(TEN_YEARS.span[0]), 3600, 87_000

PLANS = (Plan(50_000_000, 10_000_000), Plan(100_000_000, 20_000_000), Plan(50_000_000, 10_000_000))

BAD = frozenset({5, 6, 7, 40_000, *range(60_000, 60_400)})


def ten_years_of_runs() -> Columns:
    """Return the runs, oldest first; the plan changes after a third of them, and back after two thirds."""
    good = [RunAttributes.from_run(make_attempt().run), RunAttributes.from_run(make_failed_attempt().run)]
    sorts = tuple(
        RunAttributes(**{name: getattr(one, name) for name in RunAttributes.__slots__} | {"plan": plan})
        for plan in PLANS[:2]
        for one in good
    )
    number = np.arange(RUNS)
    broken = np.isin(number, list(BAD))
    later = (number >= RUNS // 3) & (number < 2 * RUNS // 3)
    rates = np.where(broken, 0, 1 + 40_000_000 + number * 7_919_093 % 50_000_000).astype(np.uint32)
    numbers = {
        "download_bps": rates,
        "upload_bps": rates // 5,
        "latency_ms": np.where(broken, 0, 9001).astype(np.uint16),
    }
    seconds = (SINCE + HOUR * number).astype(np.uint32)
    return Columns(sorts, seconds, np.full(RUNS, 30, np.uint8), (2 * later + broken).astype(np.uint8), numbers)
