"""`speedmon db` and `fleet`: maintenance of the database, and forwarding its runs to that of a fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import pass_settings
from monitor.config.load import mask_password
from monitor.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.config.settings import Settings
    from monitor.store.forwarding import PushResult
    from monitor.store.maintenance import Health, RetentionDue


@click.group(name="db")
def db_group() -> None:
    """Maintain the database: upgrade, check, backup, prune, vacuum."""


@db_group.command()
@pass_settings
def upgrade(settings: Settings) -> None:
    """Create the database, or upgrade its schema to that of this release.

    Other commands upgrade a small database by themselves.
    """
    from monitor.store import connection
    from monitor.store.tables import SCHEMA_VERSION

    before = connection.upgrade_schema(settings.database.url)
    click.echo(f"{mask_password(settings.database.url)}: {_describe_upgrade(before, SCHEMA_VERSION)}")


def _describe_upgrade(before: str | None, after: str) -> str:
    if before is None:
        return f"created with schema {after}"
    if before == after:
        return f"schema {after} is current"
    return f"upgraded from schema {before} to {after}"


@db_group.command()
@click.option("--fix", is_flag=True, help="Recompute sums and packed days that do not match the runs.")
@pass_settings
def check(settings: Settings, *, fix: bool) -> None:
    """Read the whole database and report whether it is sound.

    Exit codes: 0 it is sound; 2 it is not.
    """
    from monitor.store import maintenance

    health, name = maintenance.check_database(settings.database.url), mask_password(settings.database.url)
    _require_sound(name, health)
    if (mismatches := _describe_mismatches(health)) and not fix:
        raise StoreError(f"{name}: {mismatches} do not match the runs: `speedmon db check --fix` recomputes them")
    if mismatches:
        maintenance.repair_database(settings.database.url)
        click.echo(f"{name}: recomputed {mismatches}")
    click.echo(f"{name}: sound, schema {health.version}, runs: {health.runs}")


def _describe_mismatches(health: Health) -> str:
    counts = {"sums of hours and days": health.wrong_rollups, "packed days": health.wrong_days}
    return " and ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def _require_sound(name: str, health: Health) -> None:
    from monitor.store.tables import SCHEMA_VERSION

    if health.problems:
        raise StoreError(f"{name}: is damaged ({'; '.join(health.problems)}): restore a backup")
    if health.version != SCHEMA_VERSION:
        schema = f"schema {health.version}" if health.version else "no schema"
        raise StoreError(f"{name}: has {schema}, this speedmon needs {SCHEMA_VERSION}: run `speedmon db upgrade`")


@db_group.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_settings
def backup(settings: Settings, file: Path) -> None:
    """Copy the database to FILE, and check the copy.

    The database may be in use while it is copied.
    """
    from monitor.store import maintenance

    copy = maintenance.backup_database(settings.database.url, file)
    runs = f"runs: {copy.runs}" if copy.runs is not None else "older than this speedmon"
    click.echo(f"{file}: a sound copy, schema {copy.version}, {runs}")


@db_group.command()
@click.option("--yes", is_flag=True, help="Remove the rows; without it they are only counted.")
@pass_settings
def prune(settings: Settings, *, yes: bool) -> None:
    """Remove what is older than [retention] allows.

    Without --yes it only prints what would be removed.
    """
    from monitor.store import maintenance

    prune_or_count = maintenance.prune_expired if yes else maintenance.find_expired
    expired = prune_or_count(settings.database.url, settings.retention, datetime.now(UTC))
    for kind in expired:
        click.echo(_describe_expired(kind, "removed" if yes else "would be removed"))
    if any(kind.rows for kind in expired):
        click.echo("`speedmon db vacuum` frees the disk space" if yes else "nothing has been removed: add --yes")


def _describe_expired(due: RetentionDue, action: str) -> str:
    if due.before is None:
        return f"{due.kind}: kept for ever"
    return f"{due.kind}: {due.rows:,} from before {due.before:%Y-%m-%d} {action}"


@db_group.command()
@pass_settings
def vacuum(settings: Settings) -> None:
    """Free the disk space of removed rows.

    Needs free space for a second copy while it runs.
    """
    from monitor.store import maintenance

    before, after = maintenance.vacuum_database(settings.database.url)
    click.echo(f"{mask_password(settings.database.url)}: {before:,} bytes before, {after:,} now")


@click.group(name="fleet")
def fleet_group() -> None:
    """Forward runs to the PostgreSQL of a fleet (fleet.database_url), and show what is waiting."""


@fleet_group.command()
@click.option("-q", "--quiet", is_flag=True, help="Print nothing if everything was forwarded.")
@pass_settings
def push(settings: Settings, quiet: bool) -> None:
    """Forward all waiting runs now.

    Does not wait for the back-off to end; includes runs from before the fleet was configured.
    """
    from monitor.store.forwarding import push_runs

    done = push_runs(settings, _now, _show_progress if not quiet else _always_continue)
    if not quiet:
        again = f", {done.known} of which it already had" if done.known else ""
        click.echo(f"forwarded {done.sent} runs{again}; {done.waiting} waiting")


@fleet_group.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show how many runs are waiting, since when, and why.

    Reads this installation's own database only.
    """
    import json

    if not settings.fleet.database_url:
        raise ConfigError("there is no fleet: set fleet.database_url to the URL of its PostgreSQL")
    state = _read_status(settings)
    if as_json:
        click.echo(json.dumps(state, indent=1))
        return
    for line in _status_lines(state):
        click.echo(line)


@fleet_group.command()
@pass_settings
def adopt(settings: Settings) -> None:
    """Take over this probe's name in the fleet.

    For an installation that replaces the one that used the name before.
    """
    from monitor.store.forwarding import adopt_probe_names

    adopt_probe_names(settings)
    click.echo(f"{settings.probe.name}: this installation now forwards under that name")


def _show_progress(done: PushResult) -> bool:
    if done.sent:
        click.echo(f"forwarded {done.sent} runs ...", err=True)
    return True


def _always_continue(_done: PushResult) -> bool:
    return True


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _read_status(settings: Settings) -> dict[str, Any]:
    from monitor.store import forwarding
    from monitor.store.connection import open_reader

    with open_reader(settings.database.url) as connection:
        progress, waiting = forwarding.read_progress(connection), forwarding.count_waiting(connection)
    return {
        "fleet": mask_password(settings.fleet.database_url),
        "waiting": waiting.runs,
        "waiting_since": _format_time(waiting.since),
        "acknowledged_at": _format_time(progress.acknowledged_at),
        "failures": progress.failures,
        "failed_at": _format_time(progress.failed_at),
        "next_at": _format_time(forwarding.next_attempt_at(progress.failures, progress.failed_at, _now())),
        "error": progress.error,
    }


def _format_time(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _status_lines(state: dict[str, Any]) -> Iterator[str]:
    yield f"fleet         {state['fleet']}"
    since = f", the oldest started at {state['waiting_since']}" if state["waiting"] else ""
    yield f"waiting       {state['waiting']} runs{since}"
    yield f"last success  {state['acknowledged_at'] or 'never'}"
    if state["failures"]:
        yield f"failures      {state['failures']} in a row, the last at {state['failed_at']}"
        yield f"last error    {state['error']}"
        yield f"next attempt  after a test, {'not before ' + state['next_at'] if state['next_at'] else 'the next one'}"
