"""One request for a test, from the command line to stored rows: takes the lock and hands over to `monitor.series`.

Nothing heavy may be imported before the engine has ended.
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


def make_order(
    settings: Settings, engine: str | None, path: str | None, server_id: str | None, trigger: Trigger
) -> Order:
    """Return the request, each None filled in from the settings.

    Raises:
        UsageError: there is no such engine, or the server id is not a number.
        ConfigError: the policy needs servers that the settings do not name.
    """
    name = engine or settings.collect.engine
    if name != engines.AUTO:
        engines.load(name)
    server = servers.pin(settings) if server_id is None else server_id
    if server and not (server.isascii() and server.isdigit()):
        raise UsageError(
            f"server id {server!r} is not a number: set collect.server_id or --server-id to one, or leave it out"
        )
    rotates = server_id is None and settings.servers.policy == "rotation"
    return Order(name, Path(path or settings.collect.path), server, trigger, rotates=rotates)


def _unheard(_run: Run, _following: Next | None) -> None:
    """Do nothing: nobody wants to know."""


def collect(
    settings: Settings, request: Order, world: World, report: Callable[[Run, Next | None], None] = _unheard
) -> tuple[Run, int]:
    """Run one test, and more where its failure calls for them; return the last row and its exit code.

    Args:
        settings: all settings.
        request: what is asked for.
        world: what a test needs from its surroundings.
        report: called with each row once it is stored, and with the attempt that will follow it, if any.

    Raises:
        StoreError: the database cannot be written; checked before the test where possible.
        UsageError: no lock file can be opened.
    """
    preflight.writable(settings.database.url)
    with Interrupts() as interrupts, lock.alone(settings.collect.lock_file) as locked:
        series = Series(settings, world, interrupts, report)
        return series.run(request) if locked else series.skip_busy(request)
