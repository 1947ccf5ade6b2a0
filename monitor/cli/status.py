"""`speedmon status`: what runs, the last and the next test, what waits, and what was repaired."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from monitor.cli.options import pass_settings

if TYPE_CHECKING:
    from monitor.config.settings import Settings
    from monitor.model import Run
    from monitor.notify.health import AddressReport


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_settings
def command(settings: Settings, *, as_json: bool) -> int:
    """Show what runs, the line, the last and the next test, what waits, data used, disk, and what was repaired.

    Exit codes: 0 all is well; 1 something does not run, or an address takes no notifications; 3 the last test or the
    line failed, or nothing was recorded for notify.stale_h; 5 the namespace is missing or broken.
    """
    from msgspec.structs import replace

    from monitor.install import status as status_module
    from monitor.install.observe_status import observe_status
    from monitor.localtime import resolve_zone

    addresses = _addresses(settings)
    status = observe_status(settings)
    status = replace(
        status,
        running_since=_running_since(settings),
        next_test=_next_test(settings, status.last_run),
        paused_until=_paused_until(settings),
        messages=sum(report.waiting for report in addresses),
        address_problems=_address_problems(settings, addresses),
    )
    code = status_module.exit_code(status)
    if as_json:
        problems = [message for _, message in status_module.find_problems(status)]
        document = {**msgspec.to_builtins(status), "problems": problems, "exit_code": code}
        document["addresses"] = [report.to_object() for report in addresses]
        click.echo(msgspec.json.encode(document).decode())
        return code
    zone = resolve_zone(settings.display.timezone, "display.timezone")
    for line in status_module.format_status(status, zone):
        click.echo(line)
    return code


def _addresses(settings: Settings) -> list[AddressReport]:
    """Return the addresses of notifications; none where the database cannot be read, which is a problem of its own."""
    from monitor.errors import StoreError
    from monitor.notify.health import known_addresses
    from monitor.store.connection import open_reader

    try:
        with open_reader(settings.database.url) as connection:
            return known_addresses(connection, settings)
    except StoreError:
        return []


def _address_problems(settings: Settings, addresses: list[AddressReport]) -> tuple[str, ...]:
    from monitor.localtime import resolve_zone

    zone = resolve_zone(settings.display.timezone, "display.timezone")
    return tuple(report.describe(zone) for report in addresses if report.is_broken)


def _running_since(settings: Settings) -> datetime | None:
    """Return when the running test started, as its progress file says."""
    from pathlib import Path

    from monitor.collect.progress import PROGRESS_FILE, read_running_test
    from monitor.config.paths import state_dir
    from monitor.store.database_file import directory_of

    folders = {state_dir(os.environ, os.geteuid()), directory_of(settings.database.url) or Path("/nonexistent")}
    tests = (read_running_test(folder / PROGRESS_FILE, time.time()) for folder in folders)
    started = [test.started_at for test in tests if test is not None and test.running]
    return datetime.fromtimestamp(max(started), UTC) if started else None


def _paused_until(settings: Settings) -> datetime | None:
    from monitor.store.pause import pause_file, read_pause

    pause = read_pause(pause_file(settings.database.url, os.environ, os.geteuid()), datetime.now(UTC))
    return pause.ends_at if pause else None


def _next_test(settings: Settings, newest: Run | None) -> datetime | None:
    """Return when the next test is due, without its jitter; None where nothing runs tests."""
    from monitor.install.model import SchedulerKind
    from monitor.install.observe import read_record
    from monitor.localtime import resolve_zone
    from monitor.scheduler.schedule import make_timetable

    record = read_record()
    if record is None or record.scheduler is SchedulerKind.NONE:
        return None
    zone = resolve_zone(settings.schedule.timezone, "schedule.timezone")
    now = datetime.now(UTC)
    timetable = make_timetable(settings.schedule, zone, now, newest.started_at if newest else None)
    slot: datetime | None = timetable.slots.get_next_fire_time(None, now)
    return slot.astimezone(UTC) if slot else None
