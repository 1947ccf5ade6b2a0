"""One speed test from start to stored row: check, lock, measure, keep. Every attempt is a row.

Nothing heavy may be imported before the engine has ended: the store comes last, and only then.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from monitor import engines, lock, outcome, paths, preflight
from monitor.errors import UsageError
from monitor.interrupts import Interrupts
from monitor.measure import measure
from monitor.model import Path
from monitor.outcome import Order

if TYPE_CHECKING:
    from monitor.measure import World
    from monitor.model import Attempt, Run, Trigger
    from monitor.settings import Settings


def make_order(settings: Settings, engine: str | None, path: str | None, server_id: str | None, by: Trigger) -> Order:
    """Return the order, each None filled in from the settings.

    Raises:
        UsageError: nobody knows the engine, or the server id is no number.
    """
    name = engine or settings.collect.engine
    if name != engines.AUTO:
        engines.load(name)
    server = settings.collect.server_id if server_id is None else server_id
    if server and not (server.isascii() and server.isdigit()):
        raise UsageError(
            f"server id {server!r} is no number: set collect.server_id or --server-id to one, or leave it out"
        )
    return Order(name, Path(path or settings.collect.path), server, by)


def collect(settings: Settings, order: Order, world: World) -> tuple[Run, int]:
    """Run one test and store what came of it; return the row and the exit code.

    Raises:
        StoreError: the database cannot be written; found before the test where that can be known.
        UsageError: no lock file can be opened.
    """
    preflight.writable(settings.database.url)
    with Interrupts() as interrupts:
        started = world.clock()
        with lock.alone(settings.collect.lock_file) as alone:
            found = measure(settings, order, world, interrupts) if alone else outcome.busy(order.engine)
        attempt = outcome.attempt(settings, order, found, str(uuid.uuid4()), started, world.clock())
        _keep(attempt, settings, world)
    return attempt.run, found.code


def _keep(attempt: Attempt, settings: Settings, world: World) -> None:
    from monitor.store.keep import keep  # noqa: PLC0415  SQLAlchemy: only after the engine has ended

    keep(attempt, settings.database.url, paths.state_dir(world.environ, world.uid) / "spool")
