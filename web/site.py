"""What every endpoint shares: settings, time zone, clock and schedule, passed in and never global."""

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
    """Return the current time in whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def no_slot() -> datetime | None:
    """Return None: the schedule is off."""
    return None


def no_test() -> Moment | None:
    """Return None: no test is running."""
    return None


def nothing_published() -> tuple[Published, ...]:
    """Return nothing: no folder is kept up to date."""
    return ()


@dataclass(frozen=True, slots=True)
class Site:
    """What the endpoints work with.

    `next_slot` returns when the next test is due, `running` the running test; None if there is none. `probes` are the
    names of the probes to show, none for all; `published` returns the state of the files of [publish].
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
        """The title: the names of the selected probes, else that of this one."""
        return ", ".join(self.probes) or self.settings.probe.name

    def window(self, days: int) -> tuple[datetime, datetime]:
        """Return the last `days` days, including a run that starts in this second."""
        until = self.clock() + timedelta(seconds=1)
        return until - timedelta(days=days), until
