"""One measurement: find the engine, enter the path, run it, judge what came of it. What it needs is a `World`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from monitor import counters, engines, home, live, offer, outcome, paths, process, quiet, servers
from monitor.errors import ConfigError, EngineError
from monitor.live import Live, Moment
from monitor.model import Path
from monitor.progress import Silence
from monitor.sampler import Sampler
from netns import enter
from netns.caller import behind_sudo
from netns.errors import NamespaceMissingError, NetnsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from monitor.account import Account
    from monitor.engines.model import Ask, Engine
    from monitor.interrupts import Interrupts
    from monitor.model import Server
    from monitor.outcome import Order, Outcome
    from monitor.process import Ended
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


def environment(settings: Settings, path: Path, world: World) -> dict[str, str]:
    """Return the environment of an engine: inside it runs as whoever called sudo, with a HOME of its own."""
    caller = behind_sudo(world.environ) if path is Path.IP4ONLY else None
    return home.environment(paths.state_dir(world.environ, world.uid), settings.database.url, caller)


def asker(env: Mapping[str, str], interrupts: Interrupts, deadline_s: float = ASK_DEADLINE_S) -> Ask:
    """Return what runs a short command of an engine."""
    return partial(process.run, env=env, deadline_s=deadline_s, interrupts=interrupts)


def way_in(settings: Settings, path: Path, world: World) -> Callable[[list[str]], list[str]]:
    """Return what makes a command run over a path; it raises a NetnsError where the namespace cannot be entered."""
    if path is Path.HOST:
        return list
    return lambda argv: world.wrap(settings.namespace.name, argv, environ=world.environ)


def measure(settings: Settings, order: Order, world: World, interrupts: Interrupts) -> Outcome:
    """Run the engine of an order once and return what came of it; a failure is a result, nothing is raised for it."""
    env = environment(settings, order.path, world)
    engine, located = engines.choose(order.engine, settings, world.environ, asker(env, interrupts))
    if located.failure and interrupts.signal is None:
        return outcome.not_started(engine.name, located.version, located.failure)
    launcher = settings.namespace.name if order.path is Path.IP4ONLY else None
    enter = way_in(settings, order.path, world)
    asked = offer.Asked(engine, located, enter, asker(env, interrupts, offer.LIST_DEADLINE_S))
    try:
        aim = servers.aim(engine, order, settings.servers.deny, partial(_offered, asked, settings))
        argv = enter([*engine.command(located, settings, aim.server_id), *aim.arguments])
    except NetnsError as error:
        return outcome.not_entered(engine.name, located.version, error)
    ended, counted = _watched(argv, env, engine, settings, order, world, interrupts)
    from monitor import proof  # noqa: PLC0415  only after the engine has ended
    from monitor.explain import explain  # noqa: PLC0415  the same

    promised = proof.promise(order.path, settings)
    found = outcome.judge(engine, engine.version(located), ended, launcher, settings.collect.timeout_s, promised)
    found = outcome.accounted(found, counted, settings.cross.limit_pct)
    return explain(found, engine, order, settings, world, env, interrupts)


def _watched(  # noqa: PLR0913, PLR0917  a test and all that looks at it
    argv: list[str],
    env: Mapping[str, str],
    engine: Engine,
    settings: Settings,
    order: Order,
    world: World,
    interrupts: Interrupts,
) -> tuple[Ended, Account]:
    """Run the engine on a quiet line, counting what it and the uplink carry; return how it ended and the account."""
    links = counters.links(order.path, settings.namespace)
    quiet.wait(links, settings.cross, interrupts)
    world.meter.start(engine.name)
    file = paths.state_dir(world.environ, world.uid) / live.FILE
    shown = Live(world.meter, file, Moment(engine.name, order.path, time.time()))
    sampler = Sampler(links, shown.readings)
    ended = process.run(
        argv,
        env=env,
        deadline_s=settings.collect.timeout_s,
        on_line=shown.line(engine.progress),
        beat=sampler.beat,
        interrupts=interrupts,
    )
    counted = sampler.account()
    shown.end()
    return ended, counted


def _offered(asked: offer.Asked, settings: Settings) -> tuple[Server, ...]:
    """Return what an engine lists; nothing where it cannot, and then it chooses for itself."""
    try:
        return offer.offered(asked, settings)
    except (ConfigError, EngineError):
        return ()
