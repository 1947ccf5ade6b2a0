"""The table of engines, the choice among them, and engines of other packages.

A row of `BUILT_IN` is "module:attribute" and is imported only when that engine is requested; to add an engine, write
its module and add a row. `auto` takes the first of `AUTO_ENGINES` that is installed.

A name that is not in the table is looked up among the entry points of the group `speedmon.engines`. Such an engine is
wrapped, so that exceptions and wrong return types become failures: every attempt is a row, so a bug in a package must
neither end `collect` with a traceback nor lose a run.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from monitor.engines.base import Engine, EngineLocation, EngineProgress, ParsedOutput
from monitor.errors import UsageError
from monitor.model import Failure, FailureKind, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from importlib.metadata import EntryPoint
    from types import UnionType

    from monitor.config.settings import Settings
    from monitor.engines.base import CommandRunner


BUILT_IN = {
    "ookla": "monitor.engines.ookla:ENGINE",
    "speedtest-cli": "monitor.engines.speedtest_cli:ENGINE",
    "librespeed": "monitor.engines.librespeed:ENGINE",
    "iperf3": "monitor.engines.iperf3:ENGINE",
}

AUTO = "auto"

# The second comes with speedmon, so a third would never be reached.
AUTO_ENGINES = ("ookla", "speedtest-cli")

_ABSENT_KINDS = (FailureKind.NOT_INSTALLED, FailureKind.WRONG_BINARY)

ENTRY_POINT_GROUP = "speedmon.engines"

P = ParamSpec("P")

R = TypeVar("R")


def load_engine(name: str) -> Engine:
    """Return the engine of that name.

    Raises:
        UsageError: it is unknown, and the message lists the known ones; or its package cannot be used.
    """
    target = BUILT_IN.get(name)
    if target is None:
        return _load_from_package(name)
    module, _, attribute = target.partition(":")
    engine: Engine = getattr(import_module(module), attribute)
    return engine


def _load_from_package(name: str) -> Engine:
    engine = load_plugin(name)
    if engine is None:
        known = ", ".join((AUTO, *BUILT_IN, *plugin_names(BUILT_IN)))
        raise UsageError(f"unknown engine {name!r} (known: {known})")
    return engine


def choose_engine(
    name: str, settings: Settings, environ: Mapping[str, str], ask: CommandRunner
) -> tuple[Engine, EngineLocation]:
    """Return the engine to use and where it is; why it cannot be used is in `EngineLocation.failure`.

    An engine that is requested by name is never replaced, nor is one whose path the settings give. `auto` passes over
    one that the settings do not allow yet, such as one whose licence was not accepted.

    Raises:
        UsageError: there is no engine of that name.
    """
    if name != AUTO:
        engine = load_engine(name)
        return engine, _check_barred(engine, settings) or engine.locate(settings, environ, ask)
    passed_over: Failure | None = None
    for engine in map(load_engine, AUTO_ENGINES):
        located = engine.locate(settings, environ, ask)
        barred = _check_barred(engine, settings)
        if located.configured:
            return engine, located if located.failure else barred or located
        if not _is_absent(located) and barred is None:
            return engine, replace(located, passed_over=passed_over)
        if not _is_absent(located) and barred is not None:
            passed_over = barred.failure
    return engine, EngineLocation(failure=passed_over) if passed_over else located


def choose_fallback(
    settings: Settings, environ: Mapping[str, str], ask: CommandRunner, without: Collection[str]
) -> Engine | None:
    """Return the first engine of `auto` that can be used and is not one of `without`; None when there is none."""
    for name in AUTO_ENGINES:
        if name not in without:
            engine, located = choose_engine(name, settings, environ, ask)
            if located.failure is None:
                return engine
    return None


def _is_absent(located: EngineLocation) -> bool:
    return located.failure is not None and located.failure.kind in _ABSENT_KINDS


def _check_barred(engine: Engine, settings: Settings) -> EngineLocation | None:
    failure = engine.barred(settings)
    return EngineLocation(failure=failure) if failure else None


def plugin_names(built_in: Collection[str]) -> list[str]:
    """Return the engines of other packages, then which of them are refused because a built-in one has the name."""
    entries = [*_entry_points()]
    refused = {f"{entry.name} of {_package_name(entry)} is refused" for entry in entries if entry.name in built_in}
    return sorted({entry.name for entry in entries} - set(built_in)) + sorted(refused)


def load_plugin(name: str) -> Engine | None:
    """Return the engine of that name, None when no package has one.

    Raises:
        UsageError: two packages have it, or the package cannot be used; the message has the fix.
    """
    entries = [entry for entry in _entry_points() if entry.name == name]
    if len(entries) > 1:
        owners = " and ".join(sorted(_package_name(entry) for entry in entries))
        raise UsageError(f"engine {name!r} is claimed by {owners}: remove one of them")
    return guard_engine(_load_entry_point(entries[0])) if entries else None


def _entry_points() -> Iterator[EntryPoint]:
    from importlib import metadata  # noqa: PLC0415  20 ms, and needed only where no built-in engine has the name

    yield from metadata.entry_points(group=ENTRY_POINT_GROUP)


def _load_entry_point(entry: EntryPoint) -> Engine:
    try:
        engine = entry.load()
    except (Exception, SystemExit) as error:  # a package may raise anything
        raise _unusable_error(entry, f"cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(engine, Engine):
        raise _unusable_error(entry, f"is not a monitor.engines.base.Engine but of type {type(engine).__name__}")
    if engine.name != entry.name:
        raise _unusable_error(entry, f"calls itself {engine.name!r}")
    if broken := next(filter(None, map(_pattern_mistake, (sign.pattern for sign in engine.signs))), None):
        raise _unusable_error(entry, broken)
    return engine


def _pattern_mistake(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"has a sign that is not a regular expression: {pattern!r}: {error}"
    return None


def _unusable_error(entry: EntryPoint, problem: str) -> UsageError:
    summary = " ".join(problem.split())[:200]
    return UsageError(f"engine {entry.name!r} of {_package_name(entry)} {summary}; fix or remove that package")


def _package_name(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def guard_engine(engine: Engine) -> Engine:
    """Return the engine with each of its functions wrapped: an exception or a wrong type becomes a failure."""

    def describe(function: str, error: Exception) -> str:
        message = " ".join(str(error).split())[:150]
        return f"the engine {engine.name} is broken: its {function} raised {type(error).__name__}: {message}"

    def failure(function: str, error: Exception) -> Failure:
        return Failure(FailureKind.CRASHED, Scope.CONFIG, "start", describe(function, error))

    def refuse(function: str, error: Exception) -> list[str]:
        raise UsageError(describe(function, error)) from error

    return replace(
        engine,
        barred=_guard(engine.barred, lambda error: failure("barred", error), Failure | None),
        locate=_guard(engine.locate, lambda error: EngineLocation(failure=failure("locate", error)), EngineLocation),
        command=_guard(engine.command, lambda error: refuse("command", error), list),
        parse=_guard(engine.parse, lambda error: ParsedOutput(complaints=(describe("parse", error),)), ParsedOutput),
        progress=_guard(engine.progress, lambda _error: None, EngineProgress | None),
        version=_guard(engine.version, lambda _error: None, str | None),
        servers_command=_guard_optional(engine.servers_command, lambda error: refuse("servers_command", error), list),
        parse_servers=_guard_optional(engine.parse_servers, lambda _error: (), tuple),
    )


def _guard_optional(
    function: Callable[P, R] | None, fallback: Callable[[Exception], R], expected_type: type | UnionType
) -> Callable[P, R] | None:
    return _guard(function, fallback, expected_type) if function else None


def _guard(
    function: Callable[P, R], fallback: Callable[[Exception], R], expected_type: type | UnionType
) -> Callable[P, R]:
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return _require_type(expected_type, function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  a package may raise anything
            return fallback(error)

    return call


def _require_type(expected_type: type | UnionType, value: R) -> R:
    if not isinstance(value, expected_type):
        raise TypeError(f"it returned a value of type {type(value).__name__}")
    return value
