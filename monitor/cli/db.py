"""`speedmon db`: make, upgrade, check, copy and shrink the database."""

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
    """Look after the database: upgrade, check, backup, prune, vacuum."""


@group.command()
@pass_settings
def upgrade(settings: Settings) -> None:
    """Make the database, or bring its schema to this release.

    Other commands do so only where it is quick.
    """
    from monitor.store import upgrade as store  # noqa: PLC0415  --help stays light
    from monitor.store.tables import SCHEMA_VERSION  # noqa: PLC0415  the same

    before = store.upgrade(settings.database.url)
    click.echo(f"{masked(settings.database.url)}: {_what_happened(before, SCHEMA_VERSION)}")


@group.command()
@click.option("--mend", is_flag=True, help="Make sums and packed days anew where they are not what the runs say.")
@pass_settings
def check(settings: Settings, *, mend: bool) -> None:
    """Read the whole database and say whether it is sound.

    Exit code 2 when it is not.
    """
    from monitor.store import check as store  # noqa: PLC0415  --help stays light

    health, name = store.check(settings.database.url), masked(settings.database.url)
    _must_be_sound(name, health)
    if (wrong := _wrong(health)) and not mend:
        raise StoreError(f"{name}: {wrong} are not what the runs say: `speedmon db check --mend` makes them anew")
    if wrong:
        store.mend(settings.database.url)
        click.echo(f"{name}: made {wrong} anew")
    click.echo(f"{name}: sound, schema {health.version}, runs: {health.runs}")


def _wrong(health: Health) -> str:
    counts = {"sums of hours and days": health.wrong_rollups, "packed days": health.wrong_days}
    return " and ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def _must_be_sound(name: str, health: Health) -> None:
    from monitor.store.tables import SCHEMA_VERSION  # noqa: PLC0415  --help stays light

    if health.problems:
        raise StoreError(f"{name}: is damaged ({'; '.join(health.problems)}): restore a backup")
    if health.version != SCHEMA_VERSION:
        found = f"schema {health.version}" if health.version else "no schema"
        raise StoreError(f"{name}: has {found}, this speedmon wants {SCHEMA_VERSION}: run `speedmon db upgrade`")


@group.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_settings
def backup(settings: Settings, file: Path) -> None:
    """Copy the database into FILE, and check the copy.

    Others may use the database meanwhile.
    """
    from monitor.store import care  # noqa: PLC0415  --help stays light

    copy = care.backup(settings.database.url, file)
    runs = f"runs: {copy.runs}" if copy.runs is not None else "older than this speedmon"
    click.echo(f"{file}: a sound copy, schema {copy.version}, {runs}")


@group.command()
@click.option("--yes", is_flag=True, help="Remove it; else it is only counted.")
@pass_settings
def prune(settings: Settings, *, yes: bool) -> None:
    """Remove what is older than the settings below [retention] keep it.

    Without --yes it only says what that would be.
    """
    from monitor.store import prune as store  # noqa: PLC0415  --help stays light

    ask = store.prune if yes else store.due
    found = ask(settings.database.url, settings.retention, datetime.now(UTC))
    for each in found:
        click.echo(_age_words(each, "removed" if yes else "would be removed"))
    if any(each.rows for each in found):
        click.echo("`speedmon db vacuum` gives the room back" if yes else "nothing was removed yet: add --yes")


def _age_words(due: Due, what: str) -> str:
    if due.before is None:
        return f"{due.kind}: kept for ever"
    return f"{due.kind}: {due.rows:,} from before {due.before:%Y-%m-%d} {what}"


@group.command()
@pass_settings
def vacuum(settings: Settings) -> None:
    """Give back the room that removed rows left.

    It takes as much room again while it works.
    """
    from monitor.store import care  # noqa: PLC0415  --help stays light

    before, after = care.vacuum(settings.database.url)
    click.echo(f"{masked(settings.database.url)}: {before:,} bytes before, {after:,} now")


def _what_happened(before: str | None, after: str) -> str:
    if before is None:
        return f"made with schema {after}"
    if before == after:
        return f"schema {after} is current"
    return f"upgraded from schema {before} to {after}"
