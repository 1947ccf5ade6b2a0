"""The options that say which time a command is about: --days, --last, --since or --from, --until or --to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.moments import moment
from monitor.graph.data import Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

DEFAULT_DAYS = 30
MOST_DAYS = 36_500
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LENGTH = re.compile(r"([1-9]\d{0,5})([mhdw])")


def _length(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> timedelta | None:
    """Return the length of time that a user wrote."""
    if value is None:
        return None
    found = LENGTH.fullmatch(value)
    if not found:
        raise click.BadParameter(f"{value!r} is no length of time such as 90m, 6h, 30d or 2w")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user said of the window, in the texts of the options."""

    days: int | None = None
    last: timedelta | None = None
    since: str | None = None
    until: str | None = None

    @property
    def named(self) -> bool:
        """Whether the window stands at a place of its own, not at now."""
        return bool(self.since or self.until)

    @property
    def length(self) -> timedelta:
        """How long the window is unless it names its beginning."""
        return self.last or timedelta(days=self.days or DEFAULT_DAYS)

    @property
    def short(self) -> str:
        """The length as a part of a file's name: 30d, 6h, 90m."""
        minutes = self.length // timedelta(minutes=1)
        for unit, size in (("d", 1440), ("h", 60)):
            if minutes % size == 0:
                return f"{minutes // size}{unit}"
        return f"{minutes}m"

    def span(self, window: Window, zone: ZoneInfo) -> str:
        """Return the window as a part of a file's name: how long it is or, where it stands alone, its local ends."""
        since, until = (moment.astimezone(zone) for moment in (window.since, window.until))
        return f"{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}" if self.named else self.short

    def window(self, zone: ZoneInfo, now: datetime) -> Window:
        """Return the window. A time without an offset from UTC is local.

        Raises:
            click.UsageError: the options exclude each other, are no times, or leave nothing.
        """
        if sum(each is not None for each in (self.days, self.last, self.since)) > 1:
            raise click.UsageError("--days, --last and --since exclude each other: give one")
        since, until = moment(self.since, "--since", zone), moment(self.until, "--until", zone)
        # A run that starts while we read belongs to the window as well.
        end = until or now + timedelta(seconds=1)
        try:
            return Window(since or end - self.length, end)
        except (ValueError, OverflowError) as error:
            raise click.UsageError(f"the window is empty or too early: {error}") from error


def window_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options days, last, since and until."""
    for option in (
        click.option("--until", "--to", "until", metavar="TIME", help="End at this date or time; now if not given."),
        click.option("--since", "--from", "since", metavar="TIME", help="Begin at this date or time (ISO 8601)."),
        click.option("--last", callback=_length, metavar="LENGTH", help="The last 90m, 6h, 30d or 2w, for example."),
        click.option(
            "--days", type=click.IntRange(1, MOST_DAYS), metavar="N", help="The last N days; 30 if nothing is said."
        ),
    ):
        function = option(function)
    return function
