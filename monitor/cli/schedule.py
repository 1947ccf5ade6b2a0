"""`speedmon schedule`: when the next tests are due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_settings

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.config.settings import Settings
    from monitor.scheduler.upcoming import UpcomingSlot

MAX_SLOTS = 1000


@click.group(name="schedule")
def group() -> None:
    """Show when the next tests are due."""


@group.command(name="next")
@click.option("-n", "count", type=click.IntRange(1, MAX_SLOTS), default=5, show_default=True, help="So many of them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@pass_settings
def next_command(settings: Settings, count: int, as_json: bool) -> None:
    """Show the next tests of all schedules, as `speedmon serve` keeps them, and which of them are left out.

    Each starts later by a random delay, up to the one shown.
    """
    from datetime import UTC, datetime

    import msgspec

    from monitor.localtime import resolve_zone
    from monitor.scheduler.upcoming import upcoming_slots

    slots = upcoming_slots(settings, datetime.now(UTC), count)
    if as_json:
        click.echo(msgspec.json.encode(slots).decode())
        return
    zone = resolve_zone(settings.display.timezone, "display.timezone")
    for slot in slots:
        click.echo(_describe_slot(slot, zone))
    if not slots:
        click.echo("no test is due: schedule.cron names no date to come")


def _describe_slot(slot: UpcomingSlot, zone: ZoneInfo) -> str:
    from monitor.output.units import format_duration, format_time_with_zone

    parts = [
        format_time_with_zone(slot.at, zone),
        f"up to {format_duration(slot.jitter_s)} later" if slot.jitter_s else "",
        slot.schedule,
        f"{slot.engine}, {slot.path}",
        f"left out: {slot.skipped}" if slot.skipped else "",
    ]
    return "  ".join(part for part in parts if part)
