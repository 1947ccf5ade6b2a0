"""`speedmon incidents`: outages of the line, newest first, as a table or JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from monitor.cli.options import days_option, pass_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from monitor.incidents import Incident
    from monitor.settings import Settings


@click.command(name="incidents")
@days_option("How many days to look back.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON array; length_s is null for an outage that has not ended."
)
@pass_source
def command(settings: Settings, days: int, as_json: bool, probes: tuple[str, ...]) -> None:
    """List outages of the line, newest first: begin, end, length, cause.

    An outage begins with the first test that failed because of the line and ends with the next successful test.
    """
    import msgspec  # noqa: PLC0415  --help stays light

    from monitor import zone  # noqa: PLC0415  the same

    outages = _incidents(settings, days, probes)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(outages), indent=1))
        return
    for line in _lines(outages, days, zone.resolve(settings.display.timezone)):
        click.echo(line)


def _incidents(settings: Settings, days: int, probes: tuple[str, ...]) -> list[Incident]:
    from monitor.incidents import incidents  # noqa: PLC0415  the same
    from monitor.store import open as store  # noqa: PLC0415  the same
    from monitor.store import read  # noqa: PLC0415  the same
    from monitor.store.probes import named  # noqa: PLC0415  the same

    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    with store.open_reader(settings.database.url) as connection:
        since = until - timedelta(days=days)
        runs = read.runs(connection, since=since, until=until, probes=named(connection, probes))
        return sorted(incidents(runs), key=lambda incident: incident.began, reverse=True)


def _lines(outages: list[Incident], days: int, zone: ZoneInfo) -> Iterator[str]:
    if not outages:
        yield f"No outage of the line in the last {days} days."
        return
    yield f"Times in {zone.key}; begin and end are the times of tests."
    yield "Begin             End               Length    Failed  Path     Cause"
    several = len({incident.probe for incident in outages}) > 1
    yield from (_line(incident, zone, several=several) for incident in outages)


def _line(incident: Incident, zone: ZoneInfo, *, several: bool) -> str:
    from monitor.table import printable  # noqa: PLC0415  the same

    begin = f"{incident.began.astimezone(zone):%Y-%m-%d %H:%M}"
    end = f"{incident.ended.astimezone(zone):%Y-%m-%d %H:%M}" if incident.ended else "lasts"
    cause = printable(f"{incident.probe + ': ' if several else ''}{incident.kind}: {incident.message}")
    length = _length(incident.length_s)
    return f"{begin:16}  {end:16}  {length:>8}  {incident.failures:6}  {incident.path:7}  {cause}"


def _length(seconds: int | None) -> str:
    """Return a length of time as text: 35 s, 12 min, 3 h 05, 2 d 07 h; empty for none."""
    if seconds is None:
        return ""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24:02} h"
    if hours:
        return f"{hours} h {minutes % 60:02}"
    return f"{minutes} min" if minutes else f"{seconds} s"
