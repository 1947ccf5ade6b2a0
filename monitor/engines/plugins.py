"""Engines from other packages: each a `monitor.engines.model.Engine` in the entry-point group `speedmon.engines`.

Reading entry points costs some 20 ms, so it is done only for a name that is not built in. Whatever is wrong with a
package is told in one line that names it; packages that are not asked for are never imported.
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
    """Return the engines of other packages, then which of them are refused because the name is built in."""
    entries = [*_entries()]
    refused = {f"{entry.name} of {_owner(entry)} is refused" for entry in entries if entry.name in built_in}
    return sorted({entry.name for entry in entries} - set(built_in)) + sorted(refused)


def load(name: str) -> Engine | None:
    """Return the engine of that name, None when no package has one.

    Raises:
        UsageError: two packages have one, or the package cannot be used; the message names it and the mend.
    """
    found = [entry for entry in _entries() if entry.name == name]
    if len(found) > 1:
        owners = " and ".join(sorted(_owner(entry) for entry in found))
        raise UsageError(f"engine {name!r} is claimed by {owners}: remove one of them")
    return guarded(_engine(found[0])) if found else None


def _entries() -> Iterator[EntryPoint]:
    from importlib import metadata  # noqa: PLC0415  costs 20 ms, so only when no built-in engine has the name

    yield from metadata.entry_points(group=GROUP)


def _engine(entry: EntryPoint) -> Engine:
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:  # a package may raise anything
        raise _unusable(entry, f"cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(found, Engine):
        raise _unusable(entry, f"is no monitor.engines.model.Engine but of type {type(found).__name__}")
    if found.name != entry.name:
        raise _unusable(entry, f"calls itself {found.name!r}")
    if broken := next(filter(None, map(_mistake, (sign.pattern for sign in found.signs))), None):
        raise _unusable(entry, broken)
    return found


def _mistake(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"has a sign that is no regular expression: {pattern!r}: {error}"
    return None


def _unusable(entry: EntryPoint, what: str) -> UsageError:
    told = " ".join(what.split())[:200]
    return UsageError(f"engine {entry.name!r} of {_owner(entry)} {told}; mend or remove that package")


def _owner(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
