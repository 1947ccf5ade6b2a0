"""One speed test from start to stored row: check, lock, locate, enter, measure, judge, keep. Every attempt is a row.

Nothing heavy may be imported before the engine has ended: the store comes last, and only then.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from monitor import engines, home, lock, outcome, paths, preflight, process
from monitor.errors import UsageError
from monitor.interrupts import Interrupts
from monitor.model import Path
from monitor.outcome import Order, Outcome
from monitor.progress import Silence, watcher
from netns import enter
from netns.caller import behind_sudo
from netns.errors import NamespaceMissingError, NetnsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from monitor.model import Attempt, Run, Trigger
    from monitor.progress import Meter
    from monitor.settings import Settings

# For `speedtest --version`, which may have to come from a slow card.
ASK_DEADLINE_S = 5.0


def utc_now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)


def into_namespace(
    name: str, argv: list[str], *, environ: Mapping[str, str], way: str = enter.AUTO, dns: Sequence[str] = ()
) -> list[str]:
    """Return the command that runs `argv` in a namespace that looks sound; pasta makes its own.

    Raises:
        NetnsError: it is missing or not sound, or the caller may not enter it; it says which, and the mend.
    """
    command = enter.command(name, argv, environ=environ, way=way, dns=dns)
    if (way != enter.PASTA or command == argv) and (problems := enter.sound(name)):
        raise NamespaceMissingError(f"namespace {name} is not sound: {', '.join(problems)}; {enter.MEND}")
    return command


@dataclass(frozen=True, slots=True)
class World:
    """What a test needs of its surroundings, given from outside so that tests can give their own.

    `wrap(namespace, argv, environ=…)` returns the command that runs argv inside the namespace, or raises a NetnsError.
    """

    environ: Mapping[str, str]
    uid: int
    wrap: Callable[..., list[str]] = into_namespace
    clock: Callable[[], datetime] = utc_now
    meter: Meter | Silence = field(default_factory=Silence)


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
            found = _measure(settings, order, world, interrupts) if alone else outcome.busy(order.engine)
        attempt = outcome.attempt(settings, order, found, str(uuid.uuid4()), started, world.clock())
        _keep(attempt, settings, world)
    return attempt.run, found.code


def _measure(settings: Settings, order: Order, world: World, interrupts: Interrupts) -> Outcome:
    caller = behind_sudo(world.environ) if order.path is Path.IP4ONLY else None
    env = home.environment(paths.state_dir(world.environ, world.uid), settings.database.url, caller)
    ask = partial(process.run, env=env, deadline_s=ASK_DEADLINE_S, interrupts=interrupts)
    engine, located = engines.choose(order.engine, settings, world.environ, ask)
    if located.failure and interrupts.signal is None:
        return outcome.not_started(engine.name, located.version, located.failure)
    argv = engine.command(located, settings, order.server_id)
    launcher = settings.namespace.name if order.path is Path.IP4ONLY else None
    try:
        argv = world.wrap(launcher, argv, environ=world.environ) if launcher else argv
    except NetnsError as error:
        return outcome.not_entered(engine.name, located.version, error)
    world.meter.start(engine.name)
    ended = process.run(
        argv,
        env=env,
        deadline_s=settings.collect.timeout_s,
        on_line=watcher(engine.progress, world.meter),
        interrupts=interrupts,
    )
    world.meter.clear()
    return outcome.judge(engine, engine.version(located), ended, launcher, settings.collect.timeout_s)


def _keep(attempt: Attempt, settings: Settings, world: World) -> None:
    from monitor.store.keep import keep  # noqa: PLC0415  SQLAlchemy: only after the engine has ended

    keep(attempt, settings.database.url, paths.state_dir(world.environ, world.uid) / "spool")
