"""Runs one test: finds the engine, enters the path, waits for a quiet line, and runs it.

The environment, the clock and the progress bar are passed in as a `Runtime`, so that tests can replace them. What the
end of the engine means is judged afterwards, in `judge`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from monitor.collect import counters, outcome, servers
from monitor.collect.counters import CounterLinks, Sampler
from monitor.collect.outcome import EngineRun
from monitor.collect.progress import PROGRESS_FILE, NoProgress, ProgressWriter, RunningTest
from monitor.collect.servers import ServerListQuery
from monitor.collect.stall import StallWatch
from monitor.collect.state import LineMemory
from monitor.config import paths
from monitor.engines import base, registry
from monitor.errors import ConfigError, EngineError
from monitor.model import NetworkPath
from monitor.store import database_file
from monitor.system import files, lock, process
from monitor.system.clock import ClockReading, is_synchronised, seconds_since_boot, utc_now
from monitor.system.confinement import Confinement, find_engine_user
from monitor.system.process import OutputOptions, PeriodicTask
from netns.entry import enter
from netns.errors import NamespaceMissingError, NetnsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from monitor.collect.counters import TrafficAccount
    from monitor.collect.outcome import Outcome, TestRequest
    from monitor.collect.progress import ProgressBar
    from monitor.config.settings import Settings
    from monitor.engines.base import CommandRunner, Engine
    from monitor.model import Failure, Server
    from monitor.system.process import ProcessResult
    from monitor.system.signals import Interrupts
    from netns.entry.enter import SudoCaller
    from netns.probe.findings import Findings


# For `speedtest --version`, which may be read from a slow SD card.
VERSION_DEADLINE_S = 5.0

# In the state directory, once it was said that an engine was passed over.
NOTE_FILE = "engine-note"

_log = logging.getLogger(__name__)

_NOTHING_KNOWN = LineMemory()


def namespace_command(
    name: str, argv: list[str], *, environ: Mapping[str, str], way: str = enter.AUTO, dns: Sequence[str] = ()
) -> list[str]:
    """Return the command that runs `argv` in the namespace; pasta makes a namespace of its own.

    Raises:
        NetnsError: the namespace is missing or broken, or the caller may not enter it; the message has the fix.
    """
    command = enter.build_command(name, argv, environ=environ, way=way, dns=dns)
    if (way != enter.PASTA or command == argv) and (problems := enter.find_problems(name)):
        raise NamespaceMissingError(f"namespace {name} is not sound: {', '.join(problems)}; {enter.FIX}")
    return command


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a test needs from its surroundings: passed in, so that tests can replace it.

    `wrap(namespace, argv, environ=…)` returns the command that runs argv inside the namespace, or raises a NetnsError.
    """

    environ: Mapping[str, str]
    uid: int
    wrap: Callable[..., list[str]] = namespace_command
    clock: Callable[[], datetime] = utc_now
    boot_clock: Callable[[], float] = seconds_since_boot
    synchronised: Callable[[], bool | None] = is_synchronised
    meter: ProgressBar | NoProgress = field(default_factory=NoProgress)

    def read_clocks(self) -> ClockReading:
        """Return what both clocks show now."""
        return ClockReading(self.clock(), self.boot_clock())


def engine_user(runtime: Runtime) -> SudoCaller | None:
    """Return as whom root runs engines; None: as the user of this process."""
    return find_engine_user(runtime.environ, paths.state_dir(runtime.environ, runtime.uid))


def prepare_environment(settings: Settings, runtime: Runtime) -> dict[str, str]:
    """Return the environment of an engine, for the user as whom it runs."""
    folder = database_file.directory_of(settings.database.url)
    return base.engine_environment(paths.state_dir(runtime.environ, runtime.uid), folder, engine_user(runtime))


def engine_runner(
    settings: Settings, runtime: Runtime, interrupts: Interrupts, deadline_s: float = VERSION_DEADLINE_S
) -> CommandRunner:
    """Return a function that runs a short command of an engine, with as little privilege as the test itself."""
    env, user = prepare_environment(settings, runtime), engine_user(runtime)

    def run(argv: list[str]) -> ProcessResult:
        confined = Confinement(user, enters=enter.enters_namespace(settings.namespace.name, argv))
        return process.run(argv, env=env, deadline_s=deadline_s, interrupts=interrupts, confined=confined)

    return run


def engine_wrapper(settings: Settings, path: NetworkPath, runtime: Runtime) -> Callable[[list[str]], list[str]]:
    """Return a function that makes a command of an engine run over a path; it raises a NetnsError as `path_wrapper`."""
    wrap, name, user = path_wrapper(settings, path, runtime), settings.namespace.name, engine_user(runtime)
    return lambda argv: enter.confine_engine(name, wrap(argv), argv, user)


def path_wrapper(settings: Settings, path: NetworkPath, runtime: Runtime) -> Callable[[list[str]], list[str]]:
    """Return a function that makes a command run over a path; it raises a NetnsError where that is not possible."""
    if path is NetworkPath.HOST:
        return list
    return lambda argv: runtime.wrap(settings.namespace.name, argv, environ=runtime.environ)


@dataclass(frozen=True, slots=True)
class FinishedTest:
    """An engine that has ended, not yet judged.

    Attributes:
        run: the engine, and how it ended.
        path: the path of the test.
        traffic: what the kernel counted during the test.
        stalled: what was found while the test stood still, None where it did not.
        enter: makes another command run over the same path.
        env: the environment of the engine.
    """

    run: EngineRun
    path: NetworkPath
    traffic: TrafficAccount
    stalled: Findings | None
    enter: Callable[[list[str]], list[str]]
    env: Mapping[str, str]


def run_test(
    settings: Settings,
    request: TestRequest,
    runtime: Runtime,
    interrupts: Interrupts,
    memory: LineMemory = _NOTHING_KNOWN,
) -> FinishedTest | Outcome:
    """Run the engine of a request once; return the outcome at once where it cannot be started.

    `memory` is what earlier diagnoses have found of the line, for one while the test stands still.
    """
    ask = engine_runner(settings, runtime, interrupts)
    engine, located = registry.choose_engine(request.engine, settings, runtime.environ, ask)
    if located.failure and interrupts.signal is None:
        return outcome.not_started_outcome(engine.name, located.version, located.failure)
    if located.passed_over:
        note_once(located.passed_over, engine.name, paths.state_dir(runtime.environ, runtime.uid))
    wrap = engine_wrapper(settings, request.path, runtime)
    query = ServerListQuery(
        engine, located, wrap, engine_runner(settings, runtime, interrupts, servers.LIST_DEADLINE_S)
    )
    try:
        choice = servers.choose_server(
            engine, request, settings.servers.deny, partial(_list_servers_if_possible, query, settings)
        )
        argv = wrap([*engine.command(located, settings, choice.server_id), *choice.arguments])
    except NetnsError as error:
        return outcome.not_entered_outcome(engine.name, located.version, error)
    test = _StartedTest(engine, request.path, settings, interrupts)
    env, on_path = prepare_environment(settings, runtime), path_wrapper(settings, request.path, runtime)
    ask_now = partial(_ask_while_stalled, test, memory, on_path, env)
    ended, traffic, stalled = _run_counted(test, argv, env, runtime, ask_now)
    launcher = settings.namespace.name if request.path is NetworkPath.IP4ONLY else None
    run = EngineRun(engine, engine.version(located), ended, launcher, settings.collect.timeout_s)
    return FinishedTest(run, request.path, traffic, stalled, on_path, env)


class _StartedTest(NamedTuple):
    """One run of an engine over a path."""

    engine: Engine
    path: NetworkPath
    settings: Settings
    interrupts: Interrupts


def _ask_while_stalled(
    test: _StartedTest, memory: LineMemory, enter: Callable[[list[str]], list[str]], env: Mapping[str, str]
) -> Findings | None:
    """Return what is found while a test stands still; None where nothing can be asked."""
    # Only for a test that measures nothing any more.
    from monitor.diagnosis.diagnose import Asker, ask_both_sides, diagnosis_targets  # noqa: PLC0415  see above

    targets = diagnosis_targets(test.settings, test.engine, test.path, None, memory.known)
    try:
        return ask_both_sides(targets, Asker(enter, env, test.interrupts))
    except NetnsError:
        return None


def _run_counted(
    test: _StartedTest,
    argv: list[str],
    env: Mapping[str, str],
    runtime: Runtime,
    ask: Callable[[], Findings | None],
) -> tuple[ProcessResult, TrafficAccount, Findings | None]:
    """Run the engine once the line is quiet; return how it ended, what it and the uplink carried, and what was found.

    `ask` is called once if the test stands still.
    """
    links = counters.find_links(test.path, test.settings.namespace)
    counters.wait_for_quiet_line(links, test.settings.cross, test.interrupts)
    runtime.meter.start(test.engine.name)
    file = paths.state_dir(runtime.environ, runtime.uid) / PROGRESS_FILE
    progress = ProgressWriter(runtime.meter, file, RunningTest(test.engine.name, test.path, time.time()))
    sampler = Sampler(links, progress.add_readings)
    confined = Confinement(
        engine_user(runtime),
        enters=enter.enters_namespace(test.settings.namespace.name, argv),
        guarded=True,
        locks=lock.held_descriptors(),
    )
    watch = StallWatch(links if test.settings.collect.probe_failures else CounterLinks(None), ask)
    ended = process.run(
        argv,
        env=env,
        deadline_s=test.settings.collect.timeout_s,
        output=OutputOptions(
            on_line=progress.line_handler(watch.follow(test.engine.progress)), periodic=_watched(sampler, watch)
        ),
        interrupts=test.interrupts,
        confined=confined,
    )
    traffic = sampler.summarize()
    progress.end()
    return ended, traffic, watch.finish()


def _watched(sampler: Sampler, watch: StallWatch) -> PeriodicTask:
    """Return the sampler's task, with a look at whether the test stands still."""
    task = sampler.periodic_task

    def sample_and_check() -> None:
        task.action()
        watch.check(time.monotonic())

    return PeriodicTask(sample_and_check, task.interval_s)


def _list_servers_if_possible(query: ServerListQuery, settings: Settings) -> tuple[Server, ...]:
    """Return the servers that an engine lists; none where it cannot, so that it chooses for itself."""
    try:
        return servers.list_servers(query, settings)
    except (ConfigError, EngineError):
        return ()


def note_once(passed_over: Failure, engine: str, state_dir: Path) -> None:
    """Say why a preferred engine was not used, and how that changes; once in an installation's life."""
    try:
        files.make_folder(state_dir, 0o700)
        files.make_file(state_dir / NOTE_FILE, exist_ok=False)
    except OSError:  # it was said before, or it cannot be noted that it was
        return
    _log.warning("measured by %s: %s", engine, passed_over.message)
