"""Ten generated years, a run every five minutes, as columns: for the gallery and for a look at long windows.

The line has three plans, one after the other, is slower in the evenings and in one bad autumn, changes its ISP, and has
outages, a week without tests and a year with more failures than the others.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from monitor.analysis.columns import Columns, RunAttributes
from monitor.localtime import Window
from monitor.model import FailureKind, NetworkPath, Plan, Scope, Server, Status

END = datetime(2026, 11, 23, tzinfo=UTC)

WINDOW = Window(END - timedelta(days=3650), END)

STEP_S, DAY_S, RUNS = 300, 86_400, 3650 * 288

PLANS = (Plan(50_000_000, 10_000_000), Plan(100_000_000, 20_000_000), Plan(250_000_000, 40_000_000))

# Days since the beginning.
NEW_PLANS, NEW_ISP = (900, 2300), 2300

OUTAGES = ((200, 0.4), (760, 2.5), (1500, 0.2), (2290, 9), (3100, 1.2), (3500, 0.3))

AWAY, BAD_AUTUMN, BAD_YEAR = (1720, 1727), (2900, 2990), (1095, 1460)

ISPS = ("Example Fibre", "Sample Cable")

EVENING = (18, 22)


def decade() -> Columns:
    """Return the runs."""
    chance = np.random.default_rng(7)
    seconds = int(WINDOW.since.timestamp()) + STEP_S * np.arange(RUNS)
    day = np.arange(RUNS) * STEP_S / DAY_S
    plan = np.searchsorted(NEW_PLANS, day, side="right")
    broken = chance.random(RUNS) < np.where(_inside(day, *BAD_YEAR), 0.02, 0.001)
    for begin, length in OUTAGES:
        broken |= _inside(day, begin, begin + length)
    share = _share(chance, day, (seconds % DAY_S) // 3600)
    codes = np.where(broken, len(PLANS), plan).astype(np.uint8)
    kept = ~_inside(day, *AWAY)
    numbers = {
        name: np.where(broken, 0, values)[kept].astype(np.uint32) for name, values in _numbers(share, plan).items()
    }
    return Columns(
        _attributes(), seconds[kept].astype(np.uint32), np.full(kept.sum(), 24, np.uint8), codes[kept], numbers
    )


def _inside(day: np.ndarray, begin: float, end: float) -> np.ndarray:
    return (day >= begin) & (day < end)


def _share(chance: np.random.Generator, day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """Return the share of the plan that is reached."""
    share = 0.95 - np.abs(chance.normal(0, 0.03, RUNS)) - 0.02 * np.sin(day / 58)
    share *= np.where((hour >= EVENING[0]) & (hour < EVENING[1]), 0.8, 1)
    return np.clip(share * np.where(_inside(day, *BAD_AUTUMN), 0.55, 1), 0.05, None)


def _numbers(share: np.ndarray, plan: np.ndarray) -> dict[str, np.ndarray]:
    down, up = (np.array([getattr(plan_sold, name) for plan_sold in PLANS]) for name in ("download_bps", "upload_bps"))
    idle = 1000 * (18 - 5 * plan) / share
    return {
        "download_bps": down[plan] * share,
        "upload_bps": up[plan] * share,
        "latency_ms": idle,
        "download_latency_ms": idle * 2,
        "upload_latency_ms": idle * 3,
    }


def _attributes() -> tuple[RunAttributes, ...]:
    """Return the attributes of the successful runs of each plan, and those of failed runs."""
    good = [
        RunAttributes(
            "home",
            NetworkPath.IP4ONLY,
            Status.OK,
            "ookla",
            healthy=True,
            ip_family=4,
            isp=isp,
            server=server,
            plan=plan,
        )
        for plan, isp, server in zip(PLANS, (ISPS[0], *ISPS), (_server(1), _server(1), _server(2)), strict=True)
    ]
    return (
        *good,
        RunAttributes(
            "home", NetworkPath.IP4ONLY, Status.FAILED, "ookla", kind=FailureKind.UNREACHABLE, scope=Scope.LINE
        ),
    )


def _server(number: int) -> Server:
    return Server(str(number), f"Hosting {number}", "Exampleton")
