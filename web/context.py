"""What every endpoint needs: the site, the probes that a request selects, and the templates.

Settings, time zone, clock and schedule are passed in with the `Site` and are never global. In a template every value is
escaped, and an undefined name is an error.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitor import __version__
from monitor.errors import UsageError
from monitor.model import Plan
from monitor.store import lookups
from web.access import AccessRules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    from monitor.collect.progress import RunningTest
    from monitor.config.settings import Settings
    from monitor.scheduler.publish import Published
    from monitor.scheduler.requested import RequestedTests
    from monitor.store.connection import Connection
    from monitor.store.pause import Pause
    from web.reports import ReportMaker


ProbeQuery = Annotated[list[str] | None, Query(alias="probe", description="only runs of this probe; can be repeated")]

# The longest window, ten years.
MAX_DAYS = 3660

# Windows begin no earlier, and end no later than so far ahead: no run is there.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=366)

# How many names to list when one is wrong, and in a title.
MAX_LISTED = 20
MAX_IN_TITLE = 3

WEB_DIR = Path(__file__).parent
STATIC_DIR = WEB_DIR / "static"

_templates = Environment(
    loader=FileSystemLoader(WEB_DIR / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_templates.globals["version"] = __version__

# The path below which a reverse proxy serves the page, such as /speed; empty: none. Set for each request.
root_path = ContextVar("root_path", default="")


def link(path: str) -> str:
    """Return the address of a path of ours for a browser."""
    return f"{root_path.get()}{path}"


_templates.globals["site_url"] = link


def render_template(name: str, **values: Any) -> str:
    """Return a template filled with these values."""
    return _templates.get_template(name).render(**values)


def utc_now() -> datetime:
    """Return the current time in whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def no_slot() -> datetime | None:
    """Return None: the schedule is off."""
    return None


def no_test() -> RunningTest | None:
    """Return None: no test is running."""
    return None


def no_pause() -> Pause | None:
    """Return None: the schedule is not paused."""
    return None


def no_published_files() -> tuple[Published, ...]:
    """Return nothing: no folder is kept up to date."""
    return ()


@dataclass(frozen=True, slots=True)
class Site:
    """What the endpoints work with.

    `next_slot` returns when the next test is due, `running` the running test, `paused` the pause of the schedule; None
    if there is none. `probes` are the names of the probes to show, none for all; `published` returns the state of the
    files of [publish]. `requested` runs the tests that are asked for, None: it runs none; `pause_file` keeps the pause;
    `reports` makes reports; `access` says how the site is protected.
    """

    settings: Settings
    zone: ZoneInfo
    clock: Callable[[], datetime] = utc_now
    next_slot: Callable[[], datetime | None] = no_slot
    running: Callable[[], RunningTest | None] = no_test
    probes: tuple[str, ...] = ()
    published: Callable[[], tuple[Published, ...]] = no_published_files
    paused: Callable[[], Pause | None] = no_pause
    requested: RequestedTests | None = None
    pause_file: Path | None = None
    reports: ReportMaker | None = None
    access: AccessRules = field(default_factory=AccessRules)

    @property
    def database(self) -> str:
        """The URL of the store."""
        return self.settings.database.url

    @property
    def title(self) -> str:
        """The title: the names of the selected probes, else that of this one."""
        return ", ".join(self.probes) or self.settings.probe.name

    def window(
        self, days: int, since: datetime | None = None, until: datetime | None = None
    ) -> tuple[datetime, datetime]:
        """Return a window: by default the last `days` days, including a run that starts in this second.

        Times without a zone are in that of the site.

        Raises:
            UsageError: it ends before it begins.
        """
        now = self.clock() + timedelta(seconds=1)
        end = min(self._aware(until), now + AHEAD) if until else now
        begin = self._aware(since) if since else end - timedelta(days=days)
        if begin > end:
            raise UsageError("from: the window begins after its end")
        return max(begin, EARLIEST), max(end, EARLIEST)

    def _aware(self, moment: datetime) -> datetime:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
        try:
            return aware.astimezone(UTC)
        except OverflowError as error:
            raise UsageError("from, to: a time cannot be used") from error


class UnknownProbeError(UsageError):
    """There is no probe of that name, or the site does not show it."""


@dataclass(frozen=True, slots=True)
class ProbeSelection:
    """The probes on offer, sorted; those that the request named (none: all); their primary keys in the store."""

    offered: tuple[str, ...]
    named: tuple[str, ...]
    pks: tuple[int, ...]

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
        return ", ".join(self.shown) if len(self.shown) <= MAX_IN_TITLE else f"{len(self.shown)} probes"

    def plan(self, site: Site, probes: Sequence[str]) -> Plan:
        """Return the plan to compare with: that of the settings applies to this machine's probe only."""
        is_own = len(self.offered) <= 1 or {*probes} == {site.settings.probe.name}
        return Plan(**site.settings.plan_at(datetime.now(UTC)).promised) if is_own else Plan()


def select_probes(connection: Connection, site: Site, requested: Sequence[str] | None) -> ProbeSelection:
    """Return the selection of a request that names these probes.

    Raises:
        UnknownProbeError: a name is not on offer.
    """
    names = tuple(dict.fromkeys(name for name in requested or () if name))
    offered = tuple(name for name in lookups.probe_names(connection) if not site.probes or name in site.probes)
    for name in names:
        if name not in offered:
            raise UnknownProbeError(f"there is no probe {name!r} here: {_list_probes(offered)}")
    return ProbeSelection(offered, names, tuple(lookups.probe_pks(connection, names or site.probes)))


def _list_probes(offered: Sequence[str]) -> str:
    more = f" and {len(offered) - MAX_LISTED} more" if len(offered) > MAX_LISTED else ""
    return f"the probes are {', '.join(offered[:MAX_LISTED])}{more}" if offered else "nothing has been measured yet"
