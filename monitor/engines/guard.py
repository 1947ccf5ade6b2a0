"""An engine of another package, held to the promises of the interface: what it raises becomes what it should return.

Every attempt is a row, so a mistake of a package may neither end `collect` with a traceback nor lose a run.
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
    """Return the engine with each of its functions guarded."""

    def told(function: str, error: Exception) -> str:
        words = " ".join(str(error).split())[:150]
        return f"the engine {engine.name} is broken: its {function} raised {type(error).__name__}: {words}"

    def failure(function: str, error: Exception) -> Failure:
        return Failure(Kind.CRASHED, Scope.CONFIG, "start", told(function, error))

    def refuse(function: str, error: Exception) -> list[str]:
        raise UsageError(told(function, error)) from error

    return replace(
        engine,
        barred=_or(engine.barred, lambda error: failure("barred", error), Failure | None),
        locate=_or(engine.locate, lambda error: Located(failure=failure("locate", error)), Located),
        command=_or(engine.command, lambda error: refuse("command", error), list),
        parse=_or(engine.parse, lambda error: Parsed(complaints=(told("parse", error),)), Parsed),
        progress=_or(engine.progress, lambda _error: None, Progress | None),
        version=_or(engine.version, lambda _error: None, str | None),
        servers_command=_maybe(engine.servers_command, lambda error: refuse("servers_command", error), list),
        parse_servers=_maybe(engine.parse_servers, lambda _error: (), tuple),
    )


def _maybe(
    function: Callable[P, R] | None, otherwise: Callable[[Exception], R], kind: type | UnionType
) -> Callable[P, R] | None:
    return _or(function, otherwise, kind) if function else None


def _or(function: Callable[P, R], otherwise: Callable[[Exception], R], kind: type | UnionType) -> Callable[P, R]:
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return _of(kind, function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  a package may raise anything
            return otherwise(error)

    return call


def _of(kind: type | UnionType, value: R) -> R:
    if not isinstance(value, kind):
        raise TypeError(f"it returned a value of type {type(value).__name__}")
    return value
