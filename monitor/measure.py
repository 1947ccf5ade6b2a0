"""One measurement: find the engine, enter the path, run it, judge what came of it. What it needs is a `World`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from monitor import counters, engines, home, live, outcome, paths, process, proof, quiet
from monitor.explain import explain
from monitor.live import Live, Moment
from monitor.model import Path
from monitor.progress import Silence
from monitor.sampler import Sampler
from netns import enter
from netns.errors import NamespaceMissingError, NetnsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monitor.account import Account
    from monitor.engines.model import Engine
    from monitor.interrupts import Interrupts
    from monitor.outcome import Order, Outcome
    from monitor.process import Ended
    from monitor.progress import Meter
    from monitor.settings import Settings

# For `speedtest --version`, which may have to come from a slow card.
ASK_DEADLINE_S = 5.0


def utc_now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)


def into_namespace(name: str, argv: list[str], *, environ: Mapping[str, str]) -> list[str]:
    """Return the command that runs `argv` in a namespace that looks sound.

    Raises:
        NetnsError: it is missing or not sound, or the caller may not enter it; it says which, and the mend.
    """
    command = enter.command(name, argv, environ=environ)
    if problems := enter.sound(name):
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


def measure(settings: Settings, order: Order, world: World, interrupts: Interrupts) -> Outcome:
    """Run the engine of an order once and return what came of it; a failure is a result, nothing is raised for it."""
    env = home.environment(paths.state_dir(world.environ, world.uid), settings.database.url)
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
    ended, counted = _watched(argv, env, engine, settings, order, world, interrupts)
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
