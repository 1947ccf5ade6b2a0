"""A probe and its fleet for tests: runs of every kind to forward, faults on the way, the contents of both stores."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attempts import START, attempt, failed
from sqlalchemy import Engine, event, select

from monitor.fleet.push import Pushed, push
from monitor.model import Attempt, Trace
from monitor.settings import Database, Fleet, Probe, Settings
from monitor.store import changes, days, outbox, tables
from monitor.store.open import open_reader, open_writer
from monitor.store.write import add_many
from netns.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


NOW = datetime(2026, 11, 24, tzinfo=UTC)
FAR = timedelta(days=4000)


def settings_of(file: Path, fleet: str, **changes: Any) -> Settings:
    """Return the settings of a probe that stores its runs in a file and forwards them to a fleet."""
    return Settings(probe=Probe("home"), database=Database(f"sqlite:///{file}"), fleet=Fleet(fleet, **changes))


def store(settings: Settings, *attempts: Attempt) -> None:
    """Store attempts in the database of the probe."""
    with open_writer(settings.database.url) as connection:
        add_many(connection, attempts)


def pushed(settings: Settings, batches: int = 1000) -> Pushed:
    """Forward at most this many batches."""
    remaining = iter(range(batches))
    return push(settings, lambda: NOW, lambda _result: next(remaining, None) is not None)


def all_of(url: str) -> tuple[Any, ...]:
    """Return the attempts, events and roll-ups of a store, without the numbers of its rows."""
    rollup = select(tables.probes.c.name, *list(tables.rollups.c)[1:]).join_from(tables.rollups, tables.probes)
    with open_reader(url) as connection:
        assert days.wrong(connection) == 0
        attempts = outbox.batch(connection, 0, 10_000, raw=True).attempts
        events = sorted(map(str, changes.of_window(connection, START - FAR, START + FAR)))
        return attempts, events, sorted(map(tuple, connection.execute(rollup)))


def assert_same(settings: Settings) -> None:
    """Assert that both stores have the same runs in the same order, and the same events and roll-ups."""
    assert all_of(settings.fleet.database_url) == all_of(settings.database.url)


def some(start: int, count: int = 3) -> list[Attempt]:
    """Return `count` runs of every kind, from `start` hours after START, each with another ISP."""
    traced = dataclasses.replace(attempt(60 * start), trace=Trace(250, ((1, 2, 3, 4),)))
    looked = dataclasses.replace(failed(60 * start + 1), findings=Findings(addresses=("192.0.2.1",)))
    return [traced, looked, *(attempt(60 * start + 2 + k, isp=f"ISP {start + k}") for k in range(count - 2))]


@contextmanager
def at_step(number: int, act: Callable[[], None]) -> Iterator[list[str]]:
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
