"""Local time: the zone that times are shown in, time windows, calendar months and clock changes.

The zone is the configured one, else that of the system. Storage stays UTC.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator


MINUTE, HOUR, DAY = 60, 3600, 86_400

LOCALTIME = Path("/etc/localtime")

# A rule of POSIX without an offset and without a summer time.
_UTC_RULE = re.compile(r"(?:UTC|GMT|Z)[+-]?0+(?::0+)*")

_log = logging.getLogger(__name__)


def resolve_zone(name: str, setting: str) -> ZoneInfo:
    """Return the zone of that IANA name; of the system when the name is empty.

    Args:
        name: the value of the setting or option.
        setting: the name of the setting or option, which an error blames.

    Raises:
        ConfigError: there is no zone of that name, or the system names one that does not exist.
    """
    return _zone_by_name(name, setting) if name else _system_zone(setting)


def _zone_by_name(name: str, setting: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:  # a folder of the database, such as "Europe", is an OSError
        raise ConfigError(f"{setting}: unknown time zone {name!r} (a name such as Europe/Berlin)") from error


def _system_zone(setting: str) -> ZoneInfo:
    import tzlocal  # noqa: PLC0415  slow, and only an empty setting needs it: not a test

    logging.getLogger("tzlocal").setLevel(logging.ERROR)  # its advice on /etc/timezone is not for our users
    if (given := _zone_of_environment()) is not None:
        return given
    try:
        name = tzlocal.get_localzone_name()
    except (LookupError, ValueError, OSError) as error:
        raise ConfigError(f"the system's time zone cannot be read ({error}); set {setting}") from error
    zone = _zone_by_name(name, "the system's time zone") if name else ZoneInfo("UTC")
    tz = os.environ.get("TZ", "").removeprefix(":")
    if tz and not (tz.startswith("/") and os.path.realpath(tz).endswith(f"/{name}")):  # a file of the database
        _warn_once(f"TZ={tz!r} is not the name of a time zone, so {zone.key} is used: set TZ, or {setting}, to a name"
                   " such as Europe/Berlin")  # fmt: skip
    elif not name and LOCALTIME.exists():
        _warn_once(f"{LOCALTIME} does not say which time zone it is, so UTC is used: set {setting} to a name such as"
                   " Europe/Berlin")  # fmt: skip
    return zone


def _zone_of_environment() -> ZoneInfo | None:
    """Return the zone that TZ names (tzset(3)), UTC for a rule such as UTC0; None where it names none."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if _UTC_RULE.fullmatch(name):
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name) if name else None
    except (LookupError, ValueError, OSError):
        return None


@functools.cache
def _warn_once(message: str) -> None:
    _log.warning("%s", message)


@dataclass(frozen=True, slots=True)
class Month:
    """A month such as 2026-11, from its first instant to that of the next month."""

    begin: datetime
    end: datetime

    @property
    def name(self) -> str:
        """The month as text: 2026-11."""
        return f"{self.begin:%Y-%m}"


def month_of(moment: datetime, zone: tzinfo) -> Month:
    """Return the month that contains a moment."""
    local = moment.astimezone(zone)
    begin = datetime(local.year, local.month, 1, tzinfo=zone)
    later = divmod(local.month, 12)
    return Month(begin, datetime(local.year + later[0], later[1] + 1, 1, tzinfo=zone))


def months_back(moment: datetime, zone: tzinfo, count: int) -> Iterator[Month]:
    """Yield `count` months backwards, starting with that of the moment."""
    local = moment.astimezone(zone)
    for back in range(count):
        years, month = divmod(local.year * 12 + local.month - 1 - back, 12)
        yield month_of(datetime(years, month + 1, 1, tzinfo=zone), zone)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local day, in UTC: 01:00 where the clocks skip midnight."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def utc_offsets(window: Window, zone: ZoneInfo) -> tuple[tuple[datetime, timedelta], ...]:
    """Return each offset from UTC that holds in the window, with the instant (UTC) from which it does."""
    since, until = (moment.astimezone(UTC).replace(microsecond=0) for moment in (window.since, window.until))
    changes = [(since, _utc_offset(since, zone))]
    midnights = (start_of_day(day, zone) for day in _local_dates(window, zone))
    for before, after in pairwise([since, *(moment for moment in midnights if since < moment < until), until]):
        if _utc_offset(before, zone) != _utc_offset(after, zone):
            change = _find_offset_change(before, after, zone)
            changes.append((change, _utc_offset(change, zone)))
    return tuple(changes)


def _find_offset_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second of the new offset, by bisection of a span with one change."""
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if _utc_offset(middle, zone) == _utc_offset(before, zone):
            before = middle
        else:
            after = middle
    return after


def _utc_offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _local_dates(window: Window, zone: ZoneInfo) -> Iterator[date]:
    day, last = window.since.astimezone(zone).date(), window.until.astimezone(zone).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """The time a graph spans, two aware datetimes; a run belongs to it when since <= started_at < until."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since.utcoffset() is None or self.until.utcoffset() is None:
            raise ValueError("a window needs aware datetimes")
        if self.since >= self.until:
            raise ValueError(f"a window must end after it begins: {self.since} to {self.until}")

    @property
    def span(self) -> tuple[float, float]:
        """Both ends in epoch seconds."""
        return self.since.timestamp(), self.until.timestamp()
