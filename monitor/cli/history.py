"""`speedmon history`: the stored runs, newest first, as a table, JSON or CSV."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from monitor.cli.options import days_option, pass_source
from monitor.errors import UsageError
from monitor.graph.data import SPEED, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

    from monitor.columns import Columns
    from monitor.model import Run
    from monitor.settings import Settings


@click.command(name="history")
@days_option("How many days to look back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV (RFC 4180), rates in bit/s.")
@click.option("--sparkline", is_flag=True, help="Draw download, upload and latency above the table, one line each.")
@click.option("-v", "--verbose", is_flag=True, help="Print failure, diagnosis and remarks below each run.")
@pass_source
def command(  # noqa: PLR0913, PLR0917  one parameter an option
    settings: Settings,
    days: int,
    as_json: bool,
    as_csv: bool,
    sparkline: bool,
    verbose: bool,
    probes: tuple[str, ...],
) -> None:
    """List the stored runs, newest first."""
    if sparkline and as_json + as_csv:
        raise UsageError("--sparkline cannot be combined with --json or --csv")
    if as_json + as_csv + verbose > 1:
        raise UsageError("--json, --csv and --verbose exclude each other: give one")
    from monitor.store import open as store  # noqa: PLC0415  --help stays light
    from monitor.store import read  # noqa: PLC0415  the same
    from monitor.store.probes import known, named  # noqa: PLC0415  the same

    # A run that starts in this second belongs to the list as well.
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    with store.open_reader(settings.database.url) as connection:
        chosen = named(connection, probes)
        since = until - timedelta(days=days)
        if sparkline:
            columns = read.columns(connection, since=since, until=until, names=SPEED, probes=chosen)
            _sparklines(columns, Window(since, until))
        # The reader of our output may close it early: the query must end before its connection.
        with closing(read.runs(connection, since=since, until=until, probes=chosen, newest_first=True)) as runs:
            if as_json or as_csv:
                texts = _for_programs(runs, as_json=as_json)
            else:
                several = len(chosen or known(connection)) > 1
                texts = _table(runs, settings, days, connection if verbose else None, with_probe=several)
            for text in texts:
                click.echo(text, nl=False)


def _sparklines(runs: Columns, window: Window) -> None:
    from monitor.graph import sparkline  # noqa: PLC0415  only when it is called

    columns = min(90, max(20, shutil.get_terminal_size((120, 24)).columns - 32))
    for line in sparkline.sparklines(runs, window, columns):
        click.echo(line)


def _for_programs(runs: Iterator[Run], *, as_json: bool) -> Iterable[str]:
    from monitor import export  # noqa: PLC0415  only when it is called

    return export.json_array(runs) if as_json else export.csv_lines(runs)


def _table(
    runs: Iterator[Run], settings: Settings, days: int, details: Connection | None, *, with_probe: bool
) -> Iterator[str]:
    from monitor import table, zone  # noqa: PLC0415  only when it is called

    first = next(runs, None)
    if first is None:
        yield f"No runs in the last {days} days. `speedmon collect` makes one.\n"
        return
    width = max(60, shutil.get_terminal_size((120, 24)).columns)
    here = zone.resolve(settings.display.timezone)
    details_of = partial(_details, connection=details, width=width) if details is not None else table.nothing
    for line in table.lines(_with(first, runs), here, width, details_of, with_probe=with_probe):
        yield line + "\n"


def _details(run: Run, connection: Connection, width: int) -> Iterator[str]:
    from monitor import verbose  # noqa: PLC0415  only when it is called
    from monitor.store import detail  # noqa: PLC0415  the same

    findings = detail.findings_of(connection, run.id) if run.failure else None
    return verbose.lines(run, findings, width)


def _with(first: Run, others: Iterator[Run]) -> Iterator[Run]:
    yield first
    yield from others
