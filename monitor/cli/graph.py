"""`speedmon graph`: draw the stored runs as one PNG."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor import output, zone
from monitor.cli.moments import moment
from monitor.cli.options import pass_source
from monitor.graph import setup as graph_setup
from monitor.graph.data import Window
from monitor.model import Path as NetworkPath

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from monitor.model import Run
    from monitor.settings import Settings

DEFAULT_DAYS = 30
MOST_DAYS = 36_500
EVERY_PATH = "all"
PATHS = [*(path.value for path in NetworkPath), EVERY_PATH]


@click.command("graph")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), metavar="N", help="The last N days; 30 if nothing is said.")
@click.option("--since", metavar="TIME", help="Begin at this date or time (ISO 8601), instead of --days.")
@click.option("--until", metavar="TIME", help="End at this date or time (ISO 8601); now if nothing is said.")
@click.option("--path", type=click.Choice(PATHS), help="Runs over this path; that of the configuration if not given.")
@click.option("--kind", type=click.Choice(["line"]), default="line", help="Kind of graph: line, values over time.")
@click.option("--output", "file", metavar="FILE", help="Where the PNG goes; - is standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Do not print where the PNG went.")
@pass_source
def command(  # noqa: PLR0913, PLR0917  click passes one parameter for each option, by name
    settings: Settings,
    days: int | None,
    since: str | None,
    until: str | None,
    path: str | None,
    kind: str,  # noqa: ARG001  the contract's option; there is one kind so far
    file: str | None,
    quiet: bool,
    probes: tuple[str, ...],
) -> None:
    """Draw the stored runs as a PNG: download, upload and latency, with every failure."""
    here = zone.resolve(settings.display.timezone)
    now = datetime.now(UTC).replace(microsecond=0)
    window = _window(days, moment(since, "--since", here), moment(until, "--until", here), now)
    target = file or _name(window, days or DEFAULT_DAYS, here, named=bool(since or until))
    if target == "-" and sys.stdout.isatty():
        raise click.UsageError("a PNG is not for a terminal: redirect standard output, or name a file with --output")
    with _without_collector():
        runs = _read(settings, window, path or settings.collect.path, probes)
        picture = _render(settings, runs, window, here)
    _write(target, picture, quiet=quiet)
    if not runs:
        click.echo("speedmon: no runs in this window; the picture says so", err=True)


def _window(days: int | None, since: datetime | None, until: datetime | None, now: datetime) -> Window:
    if days is not None and since is not None:
        raise click.UsageError("--days and --since exclude each other: give one")
    # A run that starts while we read belongs to the picture as well.
    end = until or now + timedelta(seconds=1)
    try:
        return Window(since or end - timedelta(days=days or DEFAULT_DAYS), end)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"the window is empty or too early: {error}") from error


def _name(window: Window, days: int, here: ZoneInfo, *, named: bool) -> str:
    if not named:
        return f"speedmon-{days}d.png"
    since, until = (moment.astimezone(here) for moment in (window.since, window.until))
    return f"speedmon-{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}.png"


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the cycle collector off: it would cost a tenth of a second of imports, and the process ends soon."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(settings: Settings, window: Window, path: str, probes: tuple[str, ...]) -> list[Run]:
    from monitor.store import read  # noqa: PLC0415  --help stays light
    from monitor.store.open import open_reader  # noqa: PLC0415  the same
    from monitor.store.probes import named  # noqa: PLC0415  the same

    only = None if path == EVERY_PATH else NetworkPath(path)
    with open_reader(settings.database.url) as connection:
        chosen = named(connection, probes)
        return list(read.runs(connection, since=window.since, until=window.until, path=only, probes=chosen))


def _render(settings: Settings, runs: list[Run], window: Window, here: ZoneInfo) -> bytes:
    graph_setup.prepare(os.environ, os.geteuid())
    from monitor.graph.picture import render  # noqa: PLC0415  matplotlib, which must find its directories set

    probes = sorted({run.probe for run in runs}) or [settings.probe.name]
    title = f"Internet speed at {', '.join(probes)}"
    return render(runs, window, zone=here, plan=settings.plan.as_plan(), title=title)


def _write(target: str, picture: bytes, *, quiet: bool) -> None:
    if target == "-":
        output.write_stream(sys.stdout.buffer, picture)
        return
    output.write_file(Path(target), picture)
    if not quiet:
        click.echo(target)
