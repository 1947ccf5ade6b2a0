"""What every endpoint shares: the settings, the zone, the clock and the schedule, passed in and never global."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from monitor.live import Moment
    from monitor.publish import Published
    from monitor.settings import Settings


def utc_now() -> datetime:
    """Return the moment in whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def no_slot() -> datetime | None:
    """Stand for a schedule that is off."""
    return None


def no_test() -> Moment | None:
    """Stand for a machine on which no test runs."""
    return None


def nothing_published() -> tuple[Published, ...]:
    """Stand for a daemon that keeps no folder up to date."""
    return ()


@dataclass(frozen=True, slots=True)
class Site:
    """The surroundings of the pages.

    `next_slot` returns when the next test is due, `running` the test that runs at this moment; None when there is none.
    `probes` are the names of those that are shown, none for all; `published` tells of the files in a folder.
    """

    settings: Settings
    zone: ZoneInfo
    clock: Callable[[], datetime] = utc_now
    next_slot: Callable[[], datetime | None] = no_slot
    running: Callable[[], Moment | None] = no_test
    probes: tuple[str, ...] = ()
    published: Callable[[], tuple[Published, ...]] = nothing_published

    @property
    def database(self) -> str:
        """The URL of the store."""
        return self.settings.database.url

    @property
    def title(self) -> str:
        """What the page is about: the probes that were chosen, else this one."""
        return ", ".join(self.probes) or self.settings.probe.name

    def window(self, days: int) -> tuple[datetime, datetime]:
        """Return the last so many days, a run that starts in this second included."""
        until = self.clock() + timedelta(seconds=1)
        return until - timedelta(days=days), until
