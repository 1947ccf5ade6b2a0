"""`speedmon show`: everything stored about one run, and a graph of its kernel trace."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_settings
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.model import Attempt
    from monitor.settings import Settings

LAST = "last"


@click.command(name="show")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: run, plan, raw, findings, trace.")
@click.option("--trace", "picture", metavar="FILE.png", help="Draw the kernel's byte counters during the test.")
@pass_settings
def command(settings: Settings, run: str, as_json: bool, picture: str | None) -> None:
    """Show everything stored about one run; RUN is its id, the beginning of its id, or "last"."""
    attempt = _read(settings, run)
    if picture:
        _draw(settings, attempt, Path(picture))
    if as_json:
        import msgspec  # noqa: PLC0415  --help stays light

        click.echo(msgspec.json.encode(attempt))
    elif not picture:
        _print(settings, attempt)


def _read(settings: Settings, run: str) -> Attempt:
    from monitor.store import detail, read  # noqa: PLC0415  the same
    from monitor.store.open import open_reader  # noqa: PLC0415  the same

    with open_reader(settings.database.url) as connection:
        newest = read.last(connection) if run == LAST else None
        if run == LAST and newest is None:
            raise UsageError("there is no run yet: `speedmon collect` runs a test")
        return detail.attempt(connection, newest.id if newest else run)


def _print(settings: Settings, attempt: Attempt) -> None:
    from monitor import whole, zone  # noqa: PLC0415  the same

    width = max(60, shutil.get_terminal_size((120, 24)).columns)
    for line in whole.lines(attempt, zone.resolve(settings.display.timezone), width):
        click.echo(line)


def _draw(settings: Settings, attempt: Attempt, file: Path) -> None:
    from monitor import output, zone  # noqa: PLC0415  the same
    from monitor.graph import setup  # noqa: PLC0415  the same

    trace = attempt.trace
    if trace is None or not trace.samples:
        raise UsageError(f"run {attempt.run.id} has no trace: the kernel's counters could not be read while it ran")
    setup.prepare(os.environ, os.geteuid())
    from monitor.graph.trace import render  # noqa: PLC0415  matplotlib, which must find its directories set

    output.write_file(file, render(attempt.run, trace, zone.resolve(settings.display.timezone)))
    click.echo(file)
