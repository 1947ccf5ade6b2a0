"""`speedmon import`: import runs from files of other programs, or from an export."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor import zone
from monitor.cli.options import pass_settings
from monitor.errors import UsageError
from monitor.model import Path as NetworkPath
from monitor.table import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from monitor.importing.model import Context, Taken
    from monitor.importing.source import Source
    from monitor.importing.take import Tally
    from monitor.settings import Settings

FORMATS = ("auto", "speedmon", "ookla", "speedtest-cli", "librespeed", "speedtest-tracker", "myspeed")


@click.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format", "wanted", type=click.Choice(FORMATS), default="auto", show_default=True, help="Program that wrote it."
)
@click.option("--probe", metavar="NAME", help="Probe of the runs; default: that of an export, else this probe.")
@click.option(
    "--path",
    type=click.Choice([path.value for path in NetworkPath]),
    default=NetworkPath.HOST.value,
    show_default=True,
    help="Path to record (host or ip4only); exports carry their own.",
)
@click.option("--zone", "zone_name", metavar="ZONE", help="Time zone of times without one, such as Europe/Berlin.")
@click.option("--dry-run", is_flag=True, help="Print what would be imported, and store nothing.")
@pass_settings
def command(  # noqa: PLR0913, PLR0917  click passes one parameter for each option, by name
    settings: Settings,
    files: tuple[Path, ...],
    wanted: str,
    probe: str | None,
    path: str,
    zone_name: str | None,
    dry_run: bool,
) -> None:
    """Import runs from files of other programs, or from an export; runs that are already stored are not changed.

    Reads exports of speedmon, logs of Ookla's CLI, speedtest-cli and LibreSpeed's CLI, and the database or exports of
    speedtest-tracker (both programs of that name) and of MySpeed, gzipped or not.
    """
    from monitor.importing.model import Context  # noqa: PLC0415  --help stays light

    context = Context(
        probe or settings.probe.name, NetworkPath(path), _zone(zone_name, settings), replaces_probe=probe is not None
    )
    storing = _storing(settings.database.url, dry_run=dry_run)
    failures = [failure for file in files if (failure := _import(file, wanted, context, storing, dry_run=dry_run))]
    for failure in failures[:-1]:
        click.echo(f"speedmon: {failure}", err=True)
    if failures:
        raise failures[-1]


def _zone(name: str | None, settings: Settings) -> ZoneInfo:
    if name is None:
        return zone.resolve(settings.display.timezone)
    return zone.resolve(name, "--zone")


def _storing(url: str, *, dry_run: bool) -> Callable[[list[Taken], Tally], None]:
    from monitor.importing import take  # noqa: PLC0415  --help stays light

    return take.Rehearsal(url).store if dry_run else partial(take.store, url)


def _import(
    file: Path, wanted: str, context: Context, storing: Callable[[list[Taken], Tally], None], *, dry_run: bool
) -> UsageError | None:
    """Import one file and print a summary; return why it could not be read, so that the other files are still read."""
    from monitor.importing import source, take  # noqa: PLC0415  --help stays light

    tally = take.Tally()
    error = None
    try:
        with source.opened(file, context, wanted) as opened, _bar(file, opened) as show_position:
            for batch in take.batches(opened.records, tally):
                storing(batch, tally)
                show_position(opened.position())
    except UsageError as reason:
        error = reason
    if error is None or tally != take.Tally():
        for line in _told(file, tally, dry_run=dry_run):
            click.echo(line)
    return error


@contextmanager
def _bar(file: Path, opened: Source) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows the position reached in the file, as a progress bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _position: None
        return
    with click.progressbar(length=max(1, opened.length), label=file.name, file=sys.stderr, show_pos=False) as bar:
        yield lambda position: bar.update(position - bar.pos)


def _told(file: Path, tally: Tally, *, dry_run: bool) -> Iterator[str]:
    imported = "would be imported" if dry_run else "imported"
    yield f"{file}: runs {imported}: {tally.stored:,}, already stored: {tally.existing:,}, rejected: {tally.rejected:,}"
    for refused in tally.reasons:
        yield f"  line {refused.line}: {printable(refused.reason)}"
    if tally.rejected > len(tally.reasons):
        yield f"  and {tally.rejected - len(tally.reasons):,} more"
