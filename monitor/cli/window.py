"""Which stored runs a command is about: its window of time, path and time zone; and opening the database for them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from monitor import localtime
from monitor.cli.options import ALL, MAX_DAYS
from monitor.localtime import Window
from monitor.model import NetworkPath, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from zoneinfo import ZoneInfo

    from monitor.config.settings import Settings
    from monitor.store.connection import Connection
    from monitor.store.read import RunFilter


PATHS = [*(path.value for path in NetworkPath), ALL]

DEFAULT_DAYS = 30

# While there are runs of so few days only, a graph shows no more than those, with at least this on both sides.
FIRST_DAYS, FIRST_MARGIN = timedelta(days=2), timedelta(minutes=30)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LENGTH_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

LENGTH_PATTERN = re.compile(r"([1-9]\d{0,5})([mhdw])")


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """The options for the window, as the user wrote them."""

    days: int | None = None
    last: timedelta | None = None
    since: str | None = None
    until: str | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether the window has a given beginning or end, rather than ending now."""
        return bool(self.since or self.until)

    @property
    def is_given(self) -> bool:
        """Whether the user asked for a window at all."""
        return self.is_fixed or self.days is not None or self.last is not None

    @property
    def length(self) -> timedelta:
        """The length of the window, unless its beginning is given."""
        return self.last or timedelta(days=self.days or DEFAULT_DAYS)

    @property
    def short(self) -> str:
        """The length as part of a file's name: 30d, 6h, 90m."""
        minutes = self.length // timedelta(minutes=1)
        for unit, size in (("d", 1440), ("h", 60)):
            if minutes % size == 0:
                return f"{minutes // size}{unit}"
        return f"{minutes}m"

    def span(self, window: Window, zone: ZoneInfo) -> str:
        """Return the window as a part of a file's name: its length or, if fixed, its local ends."""
        since, until = (moment.astimezone(zone) for moment in (window.since, window.until))
        return f"{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}" if self.is_fixed else self.short

    def window(self, zone: ZoneInfo, now: datetime) -> Window:
        """Return the window. A time without an offset from UTC is local.

        Raises:
            click.UsageError: the options exclude each other, are not times, or the window is empty.
        """
        if sum(option is not None for option in (self.days, self.last, self.since)) > 1:
            raise click.UsageError("--days, --last and --since exclude each other: give one")
        since, until = parse_moment(self.since, "--since", zone), parse_moment(self.until, "--until", zone)
        end = until or end_of_now(now)
        try:
            return Window(since or end - self.length, end)
        except (ValueError, OverflowError) as error:
            raise click.UsageError(f"the window is empty or too early: {error}") from error


def parse_moment(text: str | None, option: str, here: ZoneInfo) -> datetime | None:
    """Return a date or time in ISO 8601 as a moment in UTC; without an offset it is in the zone `here`."""
    if text is None:
        return None
    try:
        written = datetime.fromisoformat(text)
        aware = written.replace(tzinfo=here) if written.tzinfo is None else written
        return aware.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is not a date or time such as 2026-10-24T18:00", param_hint=option
        ) from error


def end_of_now(now: datetime) -> datetime:
    """Return the end of a window that ends now: a run that starts in this second belongs to it as well."""
    return now.replace(microsecond=0) + timedelta(seconds=1)


def last_days(days: int) -> Window:
    """Return the window of the last days, up to now."""
    until = end_of_now(datetime.now(UTC))
    return Window(until - timedelta(days=days), until)


def _parse_length(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> timedelta | None:
    """Return the length of time that a user wrote."""
    if value is None:
        return None
    match = LENGTH_PATTERN.fullmatch(value)
    if not match:
        raise click.BadParameter(f"{value!r} is not a length of time such as 90m, 6h, 30d or 2w")
    return timedelta(**{LENGTH_UNITS[match[2]]: int(match[1])})


def window_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options days, last, since and until."""
    for option in (
        click.option("--until", "--to", "until", metavar="TIME", help="End at this date or time; default: now."),
        click.option("--since", "--from", "since", metavar="TIME", help="Begin at this date or time (ISO 8601)."),
        click.option(
            "--last", callback=_parse_length, metavar="LENGTH", help="The last 90m, 6h, 30d or 2w, for example."
        ),
        click.option("--days", type=click.IntRange(1, MAX_DAYS), metavar="N", help="The last N days.  [default: 30]"),
    ):
        function = option(function)
    return function


def pop_window_options(options: dict[str, Any]) -> WindowOptions:
    """Remove the options of `window_options` from the options of a command; return them as one value."""
    return WindowOptions(**{name: options.pop(name) for name in ("days", "last", "since", "until")})


path_option = click.option("--path", type=click.Choice(PATHS), help="Runs over this path; default: collect.path.")

zone_option = click.option("--zone", "in_zone", metavar="ZONE", help="Time zone of all times, such as Europe/Berlin.")


def select_path(settings: Settings, option: str | None) -> NetworkPath | None:
    """Return the path that --path selects, else that of the settings; None for all."""
    path = option or settings.collect.path
    return None if path == ALL else NetworkPath(path)


def select_zone(settings: Settings, option: str | None = None) -> ZoneInfo:
    """Return the time zone that --zone names, else that of the settings.

    Raises:
        ConfigError: there is no zone of that name.
    """
    if option:
        return localtime.resolve_zone(option, "--zone")
    return localtime.resolve_zone(settings.display.timezone, "display.timezone")


@contextmanager
def open_selection(
    settings: Settings, window: Window, probes: Collection[str], path: NetworkPath | None = None
) -> Iterator[tuple[Connection, RunFilter]]:
    """Open the database for reading, and select runs: in a window, of the probes named (none: all), over a path.

    Raises:
        StoreError: the database cannot be read.
        UsageError: there is no probe of a name.
    """
    from monitor.store.connection import open_reader
    from monitor.store.lookups import probe_pks
    from monitor.store.read import RunFilter

    with open_reader(settings.database.url) as connection:
        yield connection, RunFilter(window.since, window.until, path, probe_pks(connection, probes))


def find_shown_runs(
    connection: Connection, selection: RunFilter, *, is_path_given: bool, is_window_given: bool
) -> tuple[RunFilter, str]:
    """Return the runs to show instead of a selection that has none, and what to say about it; else the selection.

    Imported runs are over `host`, and may be years old: they are shown where neither path nor window was asked for.
    """
    from monitor.store.read import newest_start

    anywhere = selection if is_path_given else replace(selection, path=None)
    newest = newest_start(connection, anywhere)
    note = ""
    if newest is None and not is_window_given:
        newest = newest_start(connection, replace(anywhere, since=_EPOCH))
        if newest is not None:
            length, until = selection.until - selection.since, newest + timedelta(seconds=1)
            selection = replace(selection, since=until - length, until=until)
            note = f"no runs in the last {length.days} days: these are the {length.days} days up to {newest:%Y-%m-%d}"
    if newest is None or selection.path is None:
        return selection, note
    if newest_start(connection, selection) is None:
        other = next(path for path in NetworkPath if path is not selection.path)
        over = f"no runs over {selection.path} in this window: these are over {other}"
        return replace(selection, path=other), f"{note}, over {other}" if note else over
    return selection, note


def fit_first_days(connection: Connection, selection: RunFilter) -> RunFilter:
    """Return a selection whose window is as long as there are runs, in the first two days.

    The first picture would otherwise be a dot at the edge of a month.
    """
    from monitor.store.read import newest_start, oldest_start

    newest, oldest = newest_start(connection, selection), oldest_start(connection, selection)
    if newest is None or oldest is None or selection.until - oldest > FIRST_DAYS:
        return selection
    if newest_start(connection, replace(selection, since=_EPOCH, until=selection.since)) is not None:
        return selection
    margin = max(FIRST_MARGIN, (newest - oldest) / 20)
    return replace(selection, since=oldest - margin, until=max(selection.until, newest + margin))


def other_path_note(connection: Connection, selection: RunFilter) -> str:
    """Return that imported runs of the same window are not selected because of their path; empty if there are none."""
    from monitor.store.read import newest_start

    others = [path for path in NetworkPath if selection.path not in {None, path}]
    for path in others:
        if newest_start(connection, replace(selection, path=path), Trigger.IMPORT) is not None:
            return f"imported runs over {path} in this window are not shown: --path {ALL} shows them too"
    return ""


def print_note(note: str) -> None:
    """Print a note for the user to standard error; an empty one is none."""
    if note:
        click.echo(f"speedmon: {note}", err=True)
