"""How many messages a person gets in a month with a bad line: `python benchmarks/notified_month.py` writes docs.

The month has 30 outages, whose times and lengths come from a fixed seed; lengths are between 2 minutes and 6 hours,
each order of magnitude equally likely. The settings are the defaults. The address lies beyond the line.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.analysis.watches import NewsKind
from monitor.config.settings import Settings
from monitor.model import Failure, FailureKind, NetworkPath, Run, Scope, Status, Trigger
from monitor.notify.digest import last_period
from monitor.notify.judgements import AlertKind, StateRules, StoredRun
from monitor.notify.queue import merge_notices
from monitor.notify.states import Notice, ProbeMemory, evaluate, group_attempts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "notifications.md"

BEGIN, END = "<!-- month -->\n", "<!-- end of month -->"

START = datetime(2026, 11, 1, tzinfo=UTC)

DAYS, OUTAGES, SEED = 30, 30, 17

SHORTEST_S, LONGEST_S = 120, 6 * 3600

# Minutes between tests.
INTERVALS = (15, 60)

DNS = Failure(FailureKind.DNS, Scope.LINE, "configuration", "Could not resolve host")


@dataclass(frozen=True, slots=True)
class Month:
    """What a month brought: failed tests, outages that a test met, alerts and digests that were sent."""

    interval: int
    failed: int
    met: int
    reported: int
    alerts: int
    digests: int


def outages(seed: int = SEED) -> list[tuple[float, float]]:
    """Return beginning and end of each outage, in seconds from the start of the month."""
    chance = random.Random(seed)  # noqa: S311  not for secrets
    begins = sorted(chance.uniform(0, DAYS * 86_400 - LONGEST_S) for _ in range(OUTAGES))
    return [(begin, begin + SHORTEST_S * (LONGEST_S / SHORTEST_S) ** chance.random()) for begin in begins]


def make_runs(interval: int, spans: list[tuple[float, float]]) -> list[StoredRun]:
    """Return the tests of the month, and a second attempt after each that failed."""
    rows: list[StoredRun] = []
    for place in range(DAYS * 1440 // interval):
        first = _make_run(len(rows), START + timedelta(minutes=interval * place), spans)
        rows.append(StoredRun(len(rows) + 1, first))
        if first.status is Status.FAILED:
            again = _make_run(len(rows), first.finished_at + timedelta(seconds=20), spans, first.id)
            rows.append(StoredRun(len(rows) + 1, again))
    return rows


def _make_run(number: int, at: datetime, spans: list[tuple[float, float]], retry_of: str | None = None) -> Run:
    second = (at - START).total_seconds()
    down = any(begin <= second < end for begin, end in spans)
    return Run(
        id=str(number),
        probe="home",
        started_at=at,
        finished_at=at + timedelta(seconds=25),
        status=Status.FAILED if down else Status.OK,
        trigger=Trigger.RETRY if retry_of else Trigger.SCHEDULE,
        path=NetworkPath.IP4ONLY,
        engine="ookla",
        download_bps=None if down else 95_000_000,
        upload_bps=None if down else 18_000_000,
        failure=DNS if down else None,
        attempt=2 if retry_of else 1,
        retry_of=retry_of,
    )


def simulate(interval: int) -> Month:
    """Return what a person got in the month."""
    settings, spans = Settings(), outages()
    rows = make_runs(interval, spans)
    sent = list(_send_alerts(rows, StateRules.from_settings(settings)))
    starts = [(row.run.started_at - START).total_seconds() for row in rows if row.run.status is Status.FAILED]
    met = sum(any(begin <= start < end for start in starts) for begin, end in spans)
    reported = sum(item.notice.change is NewsKind.ENDED for batch in sent for item in merge_notices(batch))
    return Month(interval, len({start // 60 for start in starts}), met, reported, len(sent), _count_digests(settings))


def _send_alerts(rows: list[StoredRun], rules: StateRules) -> Iterator[list[Notice]]:
    """Yield the notices of each message: what waits is sent as soon as a test shows that the line works."""
    memory: ProbeMemory | None = None
    waiting: list[Notice] = []
    for attempts in group_attempts(rows):
        last = attempts[-1].run
        result = evaluate(memory, "home", attempts, rules, int(last.finished_at.timestamp()))
        memory, waiting = result.memory, [*waiting, *result.notices]
        down = memory.paths["ip4only"].watches[AlertKind.DOWN]
        if waiting and last.status is Status.OK and not down.is_active:
            yield waiting
            waiting = []


def _count_digests(settings: Settings) -> int:
    zone: ZoneInfo = UTC  # type: ignore[assignment]
    hours = (START + timedelta(hours=hour) for hour in range(DAYS * 24))
    due = {last_period(settings.notify.digest, settings.notify.digest_at, hour, zone).until for hour in hours}
    return len(due) - 1


def make_table() -> str:
    """Return the figure."""
    lines = [
        "| a test every | outages | met by a test | failed tests | reported | messages | digests |",
        "|---|---|---|---|---|---|---|",
    ]
    for month in map(simulate, INTERVALS):
        cells = (f"{month.interval} min", OUTAGES, month.met, month.failed, month.reported, month.alerts, month.digests)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def read_table() -> str:
    """Return the figure in the document."""
    return DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    before, begin, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(before + begin + make_table() + END + rest.partition(END)[2], encoding="utf-8")
