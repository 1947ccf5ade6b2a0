"""`speedmon db`: make, upgrade and check the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_settings
from monitor.errors import StoreError
from monitor.preflight import masked

if TYPE_CHECKING:
    from monitor.settings import Settings


@click.group(name="db")
def group() -> None:
    """Upgrade or check the database."""


@group.command()
@pass_settings
def upgrade(settings: Settings) -> None:
    """Make the database, or bring its schema to this release; any other command does so when it must."""
    from monitor.store import upgrade as store  # noqa: PLC0415  --help stays light
    from monitor.store.tables import SCHEMA_VERSION  # noqa: PLC0415  the same

    before = store.upgrade(settings.database.url)
    click.echo(f"{masked(settings.database.url)}: {_what_happened(before, SCHEMA_VERSION)}")


@group.command()
@pass_settings
def check(settings: Settings) -> None:
    """Read the whole database and say whether it is sound; changes nothing. Exit code 2 when it is damaged."""
    from monitor.store import check as store  # noqa: PLC0415  --help stays light
    from monitor.store.tables import SCHEMA_VERSION  # noqa: PLC0415  the same

    health = store.check(settings.database.url)
    url = masked(settings.database.url)
    if health.problems:
        raise StoreError(f"{url}: is damaged ({'; '.join(health.problems)}): restore a backup")
    if health.version != SCHEMA_VERSION:
        found = f"schema {health.version}" if health.version else "no schema"
        raise StoreError(f"{url}: has {found}, this speedmon wants {SCHEMA_VERSION}: run `speedmon db upgrade`")
    click.echo(f"{url}: sound, schema {health.version}, runs: {health.runs}")


def _what_happened(before: str | None, after: str) -> str:
    if before is None:
        return f"made with schema {after}"
    if before == after:
        return f"schema {after} is current"
    return f"upgraded from schema {before} to {after}"
