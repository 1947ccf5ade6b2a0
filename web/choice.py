"""The probes that a request selects among those that the site shows; all of them if it names none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Query

from monitor.errors import UsageError
from monitor.model import Plan
from monitor.store import probes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from web.site import Site

# How many names to list when one is wrong, and in a title.
TOLD = 20
IN_TITLE = 3

Asked = Annotated[list[str] | None, Query(alias="probe", description="only runs of this probe; can be repeated")]


class UnknownProbeError(UsageError):
    """There is no probe of that name, or the site does not show it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The names on offer, sorted; those that the request named (none: all); and their ids in the store (`rows`)."""

    offered: tuple[str, ...]
    named: tuple[str, ...]
    rows: tuple[int, ...]

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of the selected probes."""
        return self.named or self.offered

    @property
    def several(self) -> bool:
        """Whether more than one probe is selected."""
        return len(self.shown) > 1

    def title(self, site: Site) -> str:
        """Return the title: the names, or the number of probes if there are many."""
        if not self.named and len(self.offered) <= 1:
            return site.title
        return ", ".join(self.shown) if len(self.shown) <= IN_TITLE else f"{len(self.shown)} probes"

    def plan(self, site: Site, probes: Sequence[str]) -> Plan:
        """Return the plan to compare with: that of the settings applies to this machine's probe only."""
        own = len(self.offered) <= 1 or {*probes} == {site.settings.probe.name}
        return Plan(**site.settings.plan.promised) if own else Plan()


def choose(connection: Connection, site: Site, requested: Sequence[str] | None) -> Choice:
    """Return the selection of a request that names these probes.

    Raises:
        UnknownProbeError: a name is not on offer.
    """
    names = tuple(dict.fromkeys(name for name in requested or () if name))
    offered = tuple(name for name in probes.known(connection) if not site.probes or name in site.probes)
    for name in names:
        if name not in offered:
            raise UnknownProbeError(f"there is no probe {name!r} here: {_told(offered)}")
    return Choice(offered, names, tuple(probes.named(connection, names or site.probes)))


def _told(offered: Sequence[str]) -> str:
    more = f" and {len(offered) - TOLD} more" if len(offered) > TOLD else ""
    return f"the probes are {', '.join(offered[:TOLD])}{more}" if offered else "nothing has been measured yet"
