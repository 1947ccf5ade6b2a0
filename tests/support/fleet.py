"""A probe and its fleet for tests: runs of every kind to forward, faults on the way, the contents of both stores."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from example_runs import START, make_attempt, make_failed_attempt
from sqlalchemy import Engine, event, select

from monitor.config.settings import DatabaseSettings, FleetSettings, ProbeSettings, Settings
from monitor.model import Attempt, Trace
from monitor.store import forwarding, packed_days, tables
from monitor.store.connection import open_reader, open_writer
from monitor.store.events import read_events
from monitor.store.forwarding import PushResult, push_runs
from monitor.store.write import add_attempts
from netns.probe.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 24, tzinfo=UTC)

FAR = timedelta(days=4000)


def probe_settings(file: Path, fleet: str, **changes: Any) -> Settings:
    """Return the settings of a probe that stores its runs in a file and forwards them to a fleet."""
    return Settings(
        probe=ProbeSettings("home"),
        database=DatabaseSettings(f"sqlite:///{file}"),
        fleet=FleetSettings(fleet, **changes),
    )


def store_attempts(settings: Settings, *attempts: Attempt) -> None:
    """Store attempts in the database of the probe."""
    with open_writer(settings.database.url) as connection:
        add_attempts(connection, attempts)


def push_batches(settings: Settings, batches: int = 1000) -> PushResult:
    """Forward at most this many batches."""
    remaining = iter(range(batches))
    return push_runs(settings, lambda: NOW, lambda _result: next(remaining, None) is not None)


def read_everything(url: str) -> tuple[Any, ...]:
    """Return the attempts, events and roll-ups of a store, without the numbers of its rows."""
    rollup = select(tables.probes.c.name, *list(tables.rollups.c)[1:]).join_from(tables.rollups, tables.probes)
    with open_reader(url) as connection:
        assert packed_days.count_mismatches(connection) == 0
        attempts = forwarding.read_batch(connection, 0, 10_000, raw=True).attempts
        events = sorted(map(str, read_events(connection, START - FAR, START + FAR)))
        return attempts, events, sorted(map(tuple, connection.execute(rollup)))


def assert_same(settings: Settings) -> None:
    """Assert that both stores have the same runs in the same order, and the same events and roll-ups."""
    assert read_everything(settings.fleet.database_url) == read_everything(settings.database.url)


def example_attempts(start: int, count: int = 3) -> list[Attempt]:
    """Return `count` runs of every kind, from `start` hours after START, each with another ISP."""
    traced = dataclasses.replace(make_attempt(60 * start), trace=Trace(250, ((1, 2, 3, 4),)))
    looked = dataclasses.replace(make_failed_attempt(60 * start + 1), findings=Findings(addresses=("192.0.2.1",)))
    return [traced, looked, *(make_attempt(60 * start + 2 + k, isp=f"ISP {start + k}") for k in range(count - 2))]


@contextmanager
def act_at_step(number: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Call `act` before the change or commit with this number, in either store; yield the list of these steps.

    A fault before a read is the same as one before the change that follows.
    """
    steps: list[str] = []

    def step(sql: str) -> None:
        steps.extend([sql] * sql.startswith(("INSERT", "UPDATE", "DELETE", "COMMIT")))
        if len(steps) == number and sql == steps[-1]:
            act()

    def statement(*arguments: Any) -> None:
        step(arguments[2])

    def commit(_connection: object) -> None:
        step("COMMIT")

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    try:
        yield steps
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)
