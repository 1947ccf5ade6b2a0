"""`speedmon db`: create, upgrade, check, back up and shrink the database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_settings
from monitor.config_text import masked
from monitor.errors import StoreError

if TYPE_CHECKING:
    from monitor.settings import Settings
    from monitor.store.check import Health
    from monitor.store.prune import Due


@click.group(name="db")
def group() -> None:
    """Maintain the database: upgrade, check, backup, prune, vacuum."""


@group.command()
@pass_settings
def upgrade(settings: Settings) -> None:
    """Create the database, or upgrade its schema to that of this release.

    Other commands upgrade a small database by themselves.
    """
    from monitor.store import upgrade as store  # noqa: PLC0415  --help stays light
    from monitor.store.tables import SCHEMA_VERSION  # noqa: PLC0415  the same

    before = store.upgrade(settings.database.url)
    click.echo(f"{masked(settings.database.url)}: {_what_happened(before, SCHEMA_VERSION)}")


@group.command()
@click.option("--fix", is_flag=True, help="Recompute sums and packed days that do not match the runs.")
@pass_settings
def check(settings: Settings, *, fix: bool) -> None:
    """Read the whole database and report whether it is sound.

    Exit code 2 if it is not.
    """
    from monitor.store import check as store  # noqa: PLC0415  --help stays light

    health, name = store.check(settings.database.url), masked(settings.database.url)
    _must_be_sound(name, health)
    if (mismatches := _wrong(health)) and not fix:
        raise StoreError(f"{name}: {mismatches} do not match the runs: `speedmon db check --fix` recomputes them")
    if mismatches:
        store.mend(settings.database.url)
        click.echo(f"{name}: recomputed {mismatches}")
    click.echo(f"{name}: sound, schema {health.version}, runs: {health.runs}")


def _wrong(health: Health) -> str:
    counts = {"sums of hours and days": health.wrong_rollups, "packed days": health.wrong_days}
    return " and ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def _must_be_sound(name: str, health: Health) -> None:
    from monitor.store.tables import SCHEMA_VERSION  # noqa: PLC0415  --help stays light

    if health.problems:
        raise StoreError(f"{name}: is damaged ({'; '.join(health.problems)}): restore a backup")
    if health.version != SCHEMA_VERSION:
        schema = f"schema {health.version}" if health.version else "no schema"
        raise StoreError(f"{name}: has {schema}, this speedmon needs {SCHEMA_VERSION}: run `speedmon db upgrade`")


@group.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_settings
def backup(settings: Settings, file: Path) -> None:
    """Copy the database to FILE, and check the copy.

    The database may be in use while it is copied.
    """
    from monitor.store import care  # noqa: PLC0415  --help stays light

    copy = care.backup(settings.database.url, file)
    runs = f"runs: {copy.runs}" if copy.runs is not None else "older than this speedmon"
    click.echo(f"{file}: a sound copy, schema {copy.version}, {runs}")


@group.command()
@click.option("--yes", is_flag=True, help="Remove the rows; without it they are only counted.")
@pass_settings
def prune(settings: Settings, *, yes: bool) -> None:
    """Remove what is older than [retention] allows.

    Without --yes it only prints what would be removed.
    """
    from monitor.store import prune as store  # noqa: PLC0415  --help stays light

    act = store.prune if yes else store.due
    expired = act(settings.database.url, settings.retention, datetime.now(UTC))
    for kind in expired:
        click.echo(_age_words(kind, "removed" if yes else "would be removed"))
    if any(kind.rows for kind in expired):
        click.echo("`speedmon db vacuum` frees the disk space" if yes else "nothing has been removed: add --yes")


def _age_words(due: Due, action: str) -> str:
    if due.before is None:
        return f"{due.kind}: kept for ever"
    return f"{due.kind}: {due.rows:,} from before {due.before:%Y-%m-%d} {action}"


@group.command()
@pass_settings
def vacuum(settings: Settings) -> None:
    """Free the disk space of removed rows.

    Needs free space for a second copy while it runs.
    """
    from monitor.store import care  # noqa: PLC0415  --help stays light

    before, after = care.vacuum(settings.database.url)
    click.echo(f"{masked(settings.database.url)}: {before:,} bytes before, {after:,} now")


def _what_happened(before: str | None, after: str) -> str:
    if before is None:
        return f"created with schema {after}"
    if before == after:
        return f"schema {after} is current"
    return f"upgraded from schema {before} to {after}"
