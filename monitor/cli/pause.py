"""`speedmon pause` and `speedmon resume`: no scheduled tests for so long."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_settings

if TYPE_CHECKING:
    from monitor.config.settings import Settings


@click.command("pause")
@click.argument("length", metavar="LENGTH")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is stored with each skipped test.")
@pass_settings
def pause_command(settings: Settings, length: str, reason: str) -> None:
    """Start no scheduled test for so long, such as 30m, 2h, 1h30m or 3d.

    It holds for cron, timers and `speedmon serve`, from the next test on, and over restarts. Each test that is left out
    is stored as skipped. Tests that somebody asks for go on. A second call replaces the first.
    """
    from datetime import UTC, datetime

    from monitor.localtime import resolve_zone
    from monitor.output.units import format_time_with_zone
    from monitor.store import pause

    new = pause.make_pause(datetime.now(UTC), pause.parse_duration(length), reason)
    zone = resolve_zone(settings.display.timezone, "display.timezone")
    pause.save_pause(pause.pause_file(settings.database.url, os.environ, os.geteuid()), new)
    click.echo(f"paused until {format_time_with_zone(new.ends_at, zone)}; `speedmon resume` ends it")


@click.command("resume")
@pass_settings
def resume_command(settings: Settings) -> None:
    """End a pause: the next scheduled test runs at its time."""
    from datetime import UTC, datetime

    from monitor.store import pause

    file = pause.pause_file(settings.database.url, os.environ, os.geteuid())
    before = pause.read_pause(file, datetime.now(UTC))
    pause.end_pause(file)
    click.echo("resumed: the next scheduled test runs at its time" if before else "there is no pause: nothing to end")
