"""Engines from other packages: each a `monitor.engines.model.Engine` in the entry-point group `speedmon.engines`.

Reading entry points costs some 20 ms, so it is done only for a name that is not built in. Whatever is wrong with a
package is reported in one line that names it; packages that are not requested are never imported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from monitor.engines.guard import guarded
from monitor.engines.model import Engine
from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from importlib.metadata import EntryPoint

GROUP = "speedmon.engines"


def names(built_in: Collection[str]) -> list[str]:
    """Return the engines of other packages, then which of them are refused because a built-in one has the name."""
    entries = [*_entries()]
    refused = {f"{entry.name} of {_owner(entry)} is refused" for entry in entries if entry.name in built_in}
    return sorted({entry.name for entry in entries} - set(built_in)) + sorted(refused)


def load(name: str) -> Engine | None:
    """Return the engine of that name, None when no package has one.

    Raises:
        UsageError: two packages have it, or the package cannot be used; the message has the fix.
    """
    entries = [entry for entry in _entries() if entry.name == name]
    if len(entries) > 1:
        owners = " and ".join(sorted(_owner(entry) for entry in entries))
        raise UsageError(f"engine {name!r} is claimed by {owners}: remove one of them")
    return guarded(_engine(entries[0])) if entries else None


def _entries() -> Iterator[EntryPoint]:
    from importlib import metadata  # noqa: PLC0415  costs 20 ms, so only when no built-in engine has the name

    yield from metadata.entry_points(group=GROUP)


def _engine(entry: EntryPoint) -> Engine:
    try:
        engine = entry.load()
    except (Exception, SystemExit) as error:  # a package may raise anything
        raise _unusable(entry, f"cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(engine, Engine):
        raise _unusable(entry, f"is not a monitor.engines.model.Engine but of type {type(engine).__name__}")
    if engine.name != entry.name:
        raise _unusable(entry, f"calls itself {engine.name!r}")
    if broken := next(filter(None, map(_mistake, (sign.pattern for sign in engine.signs))), None):
        raise _unusable(entry, broken)
    return engine


def _mistake(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"has a sign that is not a regular expression: {pattern!r}: {error}"
    return None


def _unusable(entry: EntryPoint, problem: str) -> UsageError:
    summary = " ".join(problem.split())[:200]
    return UsageError(f"engine {entry.name!r} of {_owner(entry)} {summary}; fix or remove that package")


def _owner(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
