"""Which probes a request is about: those that it names, of those that this site shows; without a name all of them."""

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

# So many names are told where one is wrong, and written side by side in a title.
TOLD = 20
IN_TITLE = 3

Asked = Annotated[list[str] | None, Query(alias="probe", description="only runs of this probe; can be given again")]


class UnknownProbeError(UsageError):
    """A name that is no probe's, or not one of those that this site shows."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The names that can be asked for, in alphabetical order, those that were, none for all, and their rows."""

    offered: tuple[str, ...]
    asked: tuple[str, ...]
    rows: tuple[int, ...]

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of those that are shown."""
        return self.asked or self.offered

    @property
    def several(self) -> bool:
        """Whether the runs of more than one are shown side by side."""
        return len(self.shown) > 1

    def title(self, site: Site) -> str:
        """Return what the page is about: a few names, or how many there are."""
        if not self.asked and len(self.offered) <= 1:
            return site.title
        return ", ".join(self.shown) if len(self.shown) <= IN_TITLE else f"{len(self.shown)} probes"

    def plan(self, site: Site, probes: Sequence[str]) -> Plan:
        """Return the plan that runs of these probes are measured by: that of the settings is for this one's."""
        own = len(self.offered) <= 1 or {*probes} == {site.settings.probe.name}
        return Plan(**site.settings.plan.promised) if own else Plan()


def choose(connection: Connection, site: Site, asked: Sequence[str] | None) -> Choice:
    """Return the choice that a request has made.

    Raises:
        UnknownProbeError: a name is none of those that can be asked for.
    """
    wanted = tuple(dict.fromkeys(name for name in asked or () if name))
    offered = tuple(name for name in probes.known(connection) if not site.probes or name in site.probes)
    for name in wanted:
        if name not in offered:
            raise UnknownProbeError(f"there is no probe {name!r} here: {_told(offered)}")
    return Choice(offered, wanted, tuple(probes.named(connection, wanted or site.probes)))


def _told(names: Sequence[str]) -> str:
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return f"the probes are {', '.join(names[:TOLD])}{more}" if names else "nothing has been measured yet"
