"""`speedmon history`: the stored runs, newest first, as a table or for other programs."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_settings
from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.model import Run
    from monitor.settings import Settings


@click.command(name="history")
@click.option("--days", type=click.IntRange(1, 36_500), default=30, show_default=True, help="How far to look back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV (RFC 4180), rates in bit/s.")
@pass_settings
def command(settings: Settings, days: int, as_json: bool, as_csv: bool) -> None:
    """List the stored runs, newest first."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other: ask for one")
    from monitor.store import open as store  # noqa: PLC0415  --help stays light
    from monitor.store import read  # noqa: PLC0415  the same

    # A run that starts while we read belongs to the list as well.
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    with store.open_reader(settings.database.url) as connection:
        runs = read.runs(connection, since=until - timedelta(days=days), until=until, newest_first=True)
        for text in _text(runs, settings, days, as_json=as_json, as_csv=as_csv):
            click.echo(text, nl=False)


def _text(runs: Iterator[Run], settings: Settings, days: int, *, as_json: bool, as_csv: bool) -> Iterable[str]:
    from monitor import export  # noqa: PLC0415  only when it is called

    if as_json:
        return export.json_array(runs)
    if as_csv:
        return export.csv_lines(runs)
    return _table(runs, settings, days)


def _table(runs: Iterator[Run], settings: Settings, days: int) -> Iterator[str]:
    from monitor import table, zone  # noqa: PLC0415  only when it is called

    first = next(runs, None)
    if first is None:
        yield f"No runs in the last {days} days. `speedmon collect` makes one.\n"
        return
    width = max(60, shutil.get_terminal_size((120, 24)).columns)
    here = zone.resolve(settings.display.timezone)
    for line in table.lines(_with(first, runs), here, width):
        yield line + "\n"


def _with(first: Run, others: Iterator[Run]) -> Iterator[Run]:
    yield first
    yield from others
