"""One order from start to stored rows: lock, attempts, what follows each. Every attempt is a row.

Nothing heavy may be imported before the engine has ended: the store comes last, and only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor import engines, lock, preflight, servers
from monitor.errors import UsageError
from monitor.interrupts import Interrupts
from monitor.model import Path
from monitor.outcome import Order
from monitor.series import Series

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.measure import World
    from monitor.model import Run, Trigger
    from monitor.retry import Next
    from monitor.settings import Settings


def make_order(settings: Settings, engine: str | None, path: str | None, server_id: str | None, by: Trigger) -> Order:
    """Return the order, each None filled in from the settings.

    Raises:
        UsageError: nobody knows the engine, or the server id is no number.
        ConfigError: the policy asks for servers that the settings do not name.
    """
    name = engine or settings.collect.engine
    if name != engines.AUTO:
        engines.load(name)
    server = servers.pin(settings) if server_id is None else server_id
    if server and not (server.isascii() and server.isdigit()):
        raise UsageError(
            f"server id {server!r} is no number: set collect.server_id or --server-id to one, or leave it out"
        )
    rotates = server_id is None and settings.servers.policy == "rotation"
    return Order(name, Path(path or settings.collect.path), server, by, rotates=rotates)


def _unheard(_run: Run, _following: Next | None) -> None:
    """Tell nobody."""


def collect(
    settings: Settings, order: Order, world: World, tell: Callable[[Run, Next | None], None] = _unheard
) -> tuple[Run, int]:
    """Run one test, and others where its failure asks for them; return the last row and its exit code.

    Args:
        settings: all settings.
        order: what is asked for.
        world: what a test needs of its surroundings.
        tell: called with each row once it is stored, and with the attempt that is to follow it, if any.

    Raises:
        StoreError: the database cannot be written; found before the test where that can be known.
        UsageError: no lock file can be opened.
    """
    preflight.writable(settings.database.url)
    with Interrupts() as interrupts, lock.alone(settings.collect.lock_file) as alone:
        series = Series(settings, world, interrupts, tell)
        return series.run(order) if alone else series.leave_busy(order)
