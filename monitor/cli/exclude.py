"""`speedmon exclude`: leave a run out of all statistics with a reason, and count it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_settings
from monitor.cli.runs import find_run
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.config.settings import Settings


@click.command(name="exclude")
@click.argument("run")
@click.option("--reason", metavar="TEXT", help="Why it does not count; shown with the run everywhere.")
@click.option("--undo", is_flag=True, help="Count the run again.")
@pass_settings
def command(settings: Settings, run: str, reason: str | None, undo: bool) -> None:
    """Leave a run out of all statistics, or count it again; RUN is its id, the beginning of its id, or "last".

    The run is kept and shown with the reason, but counts in no median, share, outage or report.
    """
    if undo == (reason is not None):
        raise UsageError("give --reason TEXT to exclude the run, or --undo to count it again")
    from monitor.store.connection import open_writer
    from monitor.store.write import exclude_run

    run_id = find_run(settings, run).id
    with open_writer(settings.database.url) as connection:
        exclude_run(connection, run_id, reason)
    click.echo(f"Run {run_id} {'counts again' if undo else 'is excluded from all statistics'}.")
