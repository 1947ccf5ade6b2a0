"""`speedmon events`: changes of the ISP and the external address, newest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from monitor.cli.options import days_option, pass_source

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.settings import Settings
    from monitor.store.changes import Event

_WORDS = {"isp": "ISP", "external_ip": "external address"}


@click.command(name="events")
@days_option("How many days to look back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@pass_source
def command(settings: Settings, days: int, as_json: bool, probes: tuple[str, ...]) -> None:
    """List changes of the ISP and the external address, newest first."""
    import msgspec  # noqa: PLC0415  --help stays light

    from monitor import zone  # noqa: PLC0415  the same

    events = _events(settings, days, probes)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(events), indent=1))
        return
    here = zone.resolve(settings.display.timezone)
    several = len({event.probe for event in events}) > 1
    lines = [_line(event, here, several=several) for event in events]
    for line in lines or [f"Nothing changed in the last {days} days."]:
        click.echo(line)


def _events(settings: Settings, days: int, probes: tuple[str, ...]) -> list[Event]:
    from monitor.store import changes  # noqa: PLC0415  the same
    from monitor.store import open as store  # noqa: PLC0415  the same
    from monitor.store.probes import named  # noqa: PLC0415  the same

    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    with store.open_reader(settings.database.url) as connection:
        named(connection, probes)
        newest_first = [*changes.of_window(connection, until - timedelta(days=days), until)][::-1]
    return [event for event in newest_first if not probes or event.probe in probes]


def _line(event: Event, zone: ZoneInfo, *, several: bool) -> str:
    from monitor.table import printable  # noqa: PLC0415  the same

    what = _WORDS.get(event.kind, event.kind)
    text = printable(f"{event.probe + ': ' if several else ''}{what} is {event.after}, was {event.before}")
    return f"{event.at.astimezone(zone):%Y-%m-%d %H:%M}  {event.path:7}  {text}"
