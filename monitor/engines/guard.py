"""Wraps an engine of another package, so that exceptions and wrong return types become failures.

Every attempt is a row, so a bug in a package must neither end `collect` with a traceback nor lose a run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from monitor.engines.model import Engine, Located, Parsed, Progress
from monitor.errors import UsageError
from monitor.model import Failure, Kind, Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import UnionType

P = ParamSpec("P")
R = TypeVar("R")


def guarded(engine: Engine) -> Engine:
    """Return the engine with each of its functions wrapped."""

    def describe(function: str, error: Exception) -> str:
        message = " ".join(str(error).split())[:150]
        return f"the engine {engine.name} is broken: its {function} raised {type(error).__name__}: {message}"

    def failure(function: str, error: Exception) -> Failure:
        return Failure(Kind.CRASHED, Scope.CONFIG, "start", describe(function, error))

    def refuse(function: str, error: Exception) -> list[str]:
        raise UsageError(describe(function, error)) from error

    return replace(
        engine,
        barred=_or(engine.barred, lambda error: failure("barred", error), Failure | None),
        locate=_or(engine.locate, lambda error: Located(failure=failure("locate", error)), Located),
        command=_or(engine.command, lambda error: refuse("command", error), list),
        parse=_or(engine.parse, lambda error: Parsed(complaints=(describe("parse", error),)), Parsed),
        progress=_or(engine.progress, lambda _error: None, Progress | None),
        version=_or(engine.version, lambda _error: None, str | None),
        servers_command=_maybe(engine.servers_command, lambda error: refuse("servers_command", error), list),
        parse_servers=_maybe(engine.parse_servers, lambda _error: (), tuple),
    )


def _maybe(
    function: Callable[P, R] | None, fallback: Callable[[Exception], R], expected_type: type | UnionType
) -> Callable[P, R] | None:
    return _or(function, fallback, expected_type) if function else None


def _or(
    function: Callable[P, R], fallback: Callable[[Exception], R], expected_type: type | UnionType
) -> Callable[P, R]:
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return _of(expected_type, function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  a package may raise anything
            return fallback(error)

    return call


def _of(expected_type: type | UnionType, value: R) -> R:
    if not isinstance(value, expected_type):
        raise TypeError(f"it returned a value of type {type(value).__name__}")
    return value
