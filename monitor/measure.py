"""One test: find the engine, enter the path, run it, and turn how it ended into an outcome.

The environment, the clock and the progress bar are passed in as a `World`, so that tests can replace them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from monitor import counters, engines, home, live, offer, outcome, paths, preflight, process, quiet, servers
from monitor.errors import ConfigError, EngineError
from monitor.live import Live, Moment
from monitor.model import Path, Status
from monitor.process import OutputOptions
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

# For `speedtest --version`, which may be read from a slow SD card.
ASK_DEADLINE_S = 5.0


def utc_now() -> datetime:
    """Return the current time as an aware datetime."""
    return datetime.now(UTC)


def into_namespace(
    name: str, argv: list[str], *, environ: Mapping[str, str], way: str = enter.AUTO, dns: Sequence[str] = ()
) -> list[str]:
    """Return the command that runs `argv` in the namespace; pasta makes a namespace of its own.

    Raises:
        NetnsError: the namespace is missing or broken, or the caller may not enter it; the message has the fix.
    """
    command = enter.command(name, argv, environ=environ, way=way, dns=dns)
    if (way != enter.PASTA or command == argv) and (problems := enter.sound(name)):
        raise NamespaceMissingError(f"namespace {name} is not sound: {', '.join(problems)}; {enter.MEND}")
    return command


@dataclass(frozen=True, slots=True)
class World:
    """What a test needs from its surroundings: passed in, so that tests can replace it.

    `wrap(namespace, argv, environ=…)` returns the command that runs argv inside the namespace, or raises a NetnsError.
    """

    environ: Mapping[str, str]
    uid: int
    wrap: Callable[..., list[str]] = into_namespace
    clock: Callable[[], datetime] = utc_now
    meter: Meter | Silence = field(default_factory=Silence)


def environment(settings: Settings, path: Path, world: World) -> dict[str, str]:
    """Return the environment of an engine, which in the namespace runs as the user who called sudo."""
    caller = behind_sudo(world.environ) if path is Path.IP4ONLY else None
    return home.environment(
        paths.state_dir(world.environ, world.uid), preflight.directory_of(settings.database.url), caller
    )


def asker(env: Mapping[str, str], interrupts: Interrupts, deadline_s: float = ASK_DEADLINE_S) -> Ask:
    """Return a function that runs a short command of an engine."""
    return partial(process.run, env=env, deadline_s=deadline_s, interrupts=interrupts)


def way_in(settings: Settings, path: Path, world: World) -> Callable[[list[str]], list[str]]:
    """Return a function that makes a command run over a path; it raises a NetnsError where that is not possible."""
    if path is Path.HOST:
        return list
    return lambda argv: world.wrap(settings.namespace.name, argv, environ=world.environ)


def measure(settings: Settings, request: Order, world: World, interrupts: Interrupts) -> Outcome:
    """Run the engine of a request once and return the outcome; a failed test is an outcome too, not an exception."""
    env = environment(settings, request.path, world)
    engine, located = engines.choose(request.engine, settings, world.environ, asker(env, interrupts))
    if located.failure and interrupts.signal is None:
        return outcome.not_started(engine.name, located.version, located.failure)
    launcher = settings.namespace.name if request.path is Path.IP4ONLY else None
    enter = way_in(settings, request.path, world)
    query = offer.Asked(engine, located, enter, asker(env, interrupts, offer.LIST_DEADLINE_S))
    try:
        choice = servers.aim(engine, request, settings.servers.deny, partial(_offered, query, settings))
        argv = enter([*engine.command(located, settings, choice.server_id), *choice.arguments])
    except NetnsError as error:
        return outcome.not_entered(engine.name, located.version, error)
    test = _Test(engine, request.path, settings, interrupts)
    ended, traffic = _run_counted(test, argv, env, world)
    ran = outcome.EngineRun(engine, engine.version(located), ended, launcher, settings.collect.timeout_s)
    from monitor import proof  # noqa: PLC0415  only after the engine has ended

    result = outcome.judge(ran, proof.promise(request.path, settings))
    result = outcome.accounted(result, traffic, settings.cross.limit_pct)
    return _diagnosed(result, test, enter, env)


@dataclass(frozen=True, slots=True)
class _Test:
    """One run of an engine over a path."""

    engine: Engine
    path: Path
    settings: Settings
    interrupts: Interrupts


def _run_counted(test: _Test, argv: list[str], env: Mapping[str, str], world: World) -> tuple[Ended, Account]:
    """Run the engine once the line is quiet; return how it ended, and what it and the uplink carried."""
    links = counters.links(test.path, test.settings.namespace)
    quiet.wait(links, test.settings.cross, test.interrupts)
    world.meter.start(test.engine.name)
    file = paths.state_dir(world.environ, world.uid) / live.FILE
    progress = Live(world.meter, file, Moment(test.engine.name, test.path, time.time()))
    sampler = Sampler(links, progress.add_readings)
    ended = process.run(
        argv,
        env=env,
        deadline_s=test.settings.collect.timeout_s,
        output=OutputOptions(on_line=progress.line_handler(test.engine.progress), periodic=sampler.periodic_task),
        interrupts=test.interrupts,
    )
    traffic = sampler.summarize()
    progress.end()
    return ended, traffic


def _diagnosed(
    result: Outcome, test: _Test, enter: Callable[[list[str]], list[str]], env: Mapping[str, str]
) -> Outcome:
    """Return the outcome with a diagnosis, where the test failed and the settings allow one."""
    if result.failure is None or result.status is not Status.FAILED or not test.settings.collect.probe_failures:
        return result
    from monitor import explain  # noqa: PLC0415  only a failure needs it

    targets = explain.whom(test.settings, test.engine, test.path, result.measurement.server)
    failure, findings = explain.diagnose(result.failure, targets, enter, env, test.interrupts)
    return replace(result, failure=failure, findings=findings)


def _offered(query: offer.Asked, settings: Settings) -> tuple[Server, ...]:
    """Return the servers that an engine lists; none where it cannot, so that it chooses for itself."""
    try:
        return offer.offered(query, settings)
    except (ConfigError, EngineError):
        return ()
