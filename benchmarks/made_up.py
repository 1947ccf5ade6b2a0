"""Thirty generated days: runs for the benchmarks and for the picture in the README.

python benchmarks/made_up.py docs/example-30d.png
"""

from __future__ import annotations

import dataclasses
import os
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.graph import render
from monitor.graph.render import GraphContext
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, NetworkPath, Plan, Remark, Run, Scope, Server, Status, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator


END = datetime(2026, 11, 23, 16, 40, tzinfo=UTC)

DAYS = timedelta(days=30)

STEP = timedelta(minutes=15)

PLAN = Plan(download_bps=100_000_000, upload_bps=20_000_000)

# The busy hours of the neighbourhood, in UTC, and the share of the rate that is left then.
EVENING, LEFT = range(18, 22), 0.72

OUTAGES = (range(260, 275), range(1240, 1262), range(2610, 2622))

OTHERS = {90: Scope.PROVIDER, 640: Scope.LOCAL, 700: Scope.UNKNOWN, 1600: Scope.PROVIDER, 2200: Scope.PROVIDER}

PAUSE = range(1730, 1800)

# At this hour of each night the line is used for something else, and one test finds another one running.
BUSY = frozenset(range(330, 2880, 288))

SKIPPED = frozenset({450, 1900, 2300})

NEW_SERVER = 2050

SERVERS = (Server("1001", "Near Hosting", "Exampleton"), Server("1002", "Far Hosting", "Sample City"))


def month() -> Iterator[Run]:
    """Yield 30 days, a run every 15 minutes, with busy evenings, outages, other failures, a pause and a new server."""
    chance = random.Random(7)  # noqa: S311  a picture, not a secret
    for number in range(DAYS // STEP):
        if number not in PAUSE:
            yield _run(number, chance)


def _run(number: int, chance: random.Random) -> Run:
    at = END - DAYS + number * STEP
    scope = Scope.LINE if any(number in outage for outage in OUTAGES) else OTHERS.get(number)
    if scope is not None:
        return _base(
            number, at, Status.FAILED, failure=Failure(FailureKind.UNREACHABLE, scope, "configuration", "generated")
        )
    if number in SKIPPED:
        return _base(number, at, Status.SKIPPED)
    share = (0.3 if number in BUSY else 1) * (LEFT if at.hour in EVENING else 1) * (0.94 - abs(chance.gauss(0, 0.03)))
    return _base(
        number,
        at,
        Status.OK,
        download_bps=round(100e6 * share),
        upload_bps=round(20e6 * share),
        latency_ms=round(11 / share + abs(chance.gauss(0, 1.5)), 1),
        download_latency_ms=round(19 / share + number % 23 * 0.6, 1),
        upload_latency_ms=round(38 / share + number % 37 * 0.9, 1),
        healthy=number not in BUSY,
        remarks=(Remark("cross_traffic", "generated"),) if number in BUSY else (),
        isp="Example Fibre",
        external_ip="203.0.113.10",
        ip_family=4,
        server=SERVERS[number >= NEW_SERVER],
    )


def _base(number: int, at: datetime, status: Status, **more: object) -> Run:
    finished = at + timedelta(seconds=24)
    who = {"id": f"00000000-0000-4000-8000-{number:012d}", "probe": "home", "engine": "ookla"}
    return Run(  # type: ignore[arg-type]
        started_at=at,
        finished_at=finished,
        status=status,
        trigger=Trigger.SCHEDULE,
        path=NetworkPath.IP4ONLY,
        **who,
        **more,
    )


def two_paths() -> Iterator[Run]:
    """Yield the month over the namespace and, between its runs, over a host with a slow IPv6 tunnel."""
    for run in month():
        yield run
        at, finished = run.started_at + STEP / 2, run.finished_at + STEP / 2
        slower = {"download_bps": run.download_bps and run.download_bps * 7 // 10, "id": run.id[:-1] + "h"}
        yield dataclasses.replace(run, path=NetworkPath.HOST, started_at=at, finished_at=finished, **slower)


def main(target: Path) -> None:
    """Draw the month."""
    render.prepare_matplotlib(os.environ, os.geteuid())
    window = Window(END - DAYS, END)
    title = "Internet speed at home (generated example)"
    context = GraphContext(ZoneInfo("Europe/Berlin"), PLAN, title)
    target.write_bytes(render.render(render.DEFAULT_KIND, month(), window, context))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
