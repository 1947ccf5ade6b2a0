"""`speedmon import` and `export`: runs from and for other programs."""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from monitor.cli.options import MAX_DAYS, pass_settings, pass_source
from monitor.cli.window import end_of_now, open_selection, parse_moment, select_zone
from monitor.errors import UsageError
from monitor.localtime import Window
from monitor.model import NetworkPath
from monitor.output.tables import to_printable
from monitor.system import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.config.settings import Settings
    from monitor.importers.base import ImportContext, ImportedRun
    from monitor.importers.importer import ImportCounts, ImportSource


IMPORT_FORMATS = ("auto", "speedmon", "ookla", "speedtest-cli", "librespeed", "speedtest-tracker", "myspeed")

EXPORT_FORMATS = ("csv", "jsonl", "parquet")

STDOUT = "-"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "wanted",
    type=click.Choice(IMPORT_FORMATS),
    default="auto",
    show_default=True,
    help="Program that wrote it.",
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
def import_command(
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
    from monitor.importers.base import ImportContext

    context = ImportContext(
        probe or settings.probe.name,
        NetworkPath(path),
        select_zone(settings, zone_name),
        replaces_probe=probe is not None,
    )
    storing = _storing_function(settings.database.url, dry_run=dry_run)
    failures = [failure for file in files if (failure := _import_file(file, wanted, context, storing, dry_run=dry_run))]
    for failure in failures[:-1]:
        click.echo(f"speedmon: {failure}", err=True)
    if failures:
        raise failures[-1]


def _storing_function(url: str, *, dry_run: bool) -> Callable[[list[ImportedRun], ImportCounts], None]:
    from monitor.importers import importer

    return importer.DryRun(url).store if dry_run else partial(importer.store_batch, url)


def _import_file(
    file: Path,
    wanted: str,
    context: ImportContext,
    storing: Callable[[list[ImportedRun], ImportCounts], None],
    *,
    dry_run: bool,
) -> UsageError | None:
    """Import one file and print a summary; return why it could not be read, so that the other files are still read."""
    from monitor.importers import importer

    counts = importer.ImportCounts()
    error = None
    try:
        with importer.open_source(file, context, wanted) as opened, _progress_bar(file, opened) as show_position:
            for batch in importer.split_batches(opened.records, counts):
                storing(batch, counts)
                show_position(opened.position())
    except UsageError as reason:
        error = reason
    if error is None or counts != importer.ImportCounts():
        for line in _summary_lines(file, counts, dry_run=dry_run):
            click.echo(line)
    return error


@contextmanager
def _progress_bar(file: Path, opened: ImportSource) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows the position reached in the file, as a progress bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _position: None
        return
    with click.progressbar(length=max(1, opened.length), label=file.name, file=sys.stderr, show_pos=False) as bar:
        yield lambda position: bar.update(position - bar.pos)


def _summary_lines(file: Path, counts: ImportCounts, *, dry_run: bool) -> Iterator[str]:
    imported = "would be imported" if dry_run else "imported"
    known = f"already stored: {counts.existing:,}, rejected: {counts.rejected:,}"
    yield f"{file}: runs {imported}: {counts.stored:,}, {known}"
    for refused in counts.reasons:
        yield f"  line {refused.line}: {to_printable(refused.reason)}"
    if counts.rejected > len(counts.reasons):
        yield f"  and {counts.rejected - len(counts.reasons):,} more"


@click.command("export")
@click.option("--days", type=click.IntRange(1, MAX_DAYS), metavar="N", help="The last N days; default: all runs.")
@click.option("--since", metavar="TIME", help="Begin at this date or time (ISO 8601), instead of --days.")
@click.option("--until", metavar="TIME", help="End at this date or time (ISO 8601); default: now.")
@click.option("--format", "kind", type=click.Choice(EXPORT_FORMATS), help="Default: the ending of FILE, else csv.")
@click.option(
    "--output",
    "file",
    metavar="FILE",
    default=STDOUT,
    help="File to write, complete or not at all; - is standard output.",
)
@pass_source
def export_command(
    settings: Settings,
    days: int | None,
    since: str | None,
    until: str | None,
    kind: str | None,
    file: str,
    probes: tuple[str, ...],
) -> None:
    """Write the stored runs, oldest first, as CSV, JSON Lines or Parquet, with what `history` prints of each."""
    kind = kind or _format_by_name(file)
    if file == STDOUT and kind == "parquet" and sys.stdout.isatty():
        raise click.UsageError(
            "Parquet cannot be printed to a terminal: redirect standard output, or name a file with --output"
        )
    here = select_zone(settings)
    end = parse_moment(until, "--until", here) or end_of_now(datetime.now(UTC))
    window = _export_window(days, parse_moment(since, "--since", here), end)
    if file == STDOUT:
        _write_export(settings, window, probes, kind, sys.stdout.buffer)
        return
    with files.atomic_file(Path(file)) as opened:
        _write_export(settings, window, probes, kind, opened)


def _format_by_name(file: str) -> str:
    ending = Path(file).suffix.removeprefix(".").lower()
    return ending if ending in EXPORT_FORMATS else EXPORT_FORMATS[0]


def _export_window(days: int | None, since: datetime | None, end: datetime) -> Window:
    if days is not None and since is not None:
        raise click.UsageError("--days and --since exclude each other: give one")
    begin = since or (end - timedelta(days=days) if days else _EPOCH)
    if begin >= end:
        raise click.UsageError(
            f"the window is empty: it begins at {begin:%Y-%m-%dT%H:%MZ} and ends at {end:%Y-%m-%dT%H:%MZ}"
        )
    return Window(begin, end)


def _write_export(settings: Settings, window: Window, probes: tuple[str, ...], kind: str, file: BinaryIO) -> None:
    from monitor.output import export
    from monitor.store.read import read_runs

    # The reader of our output may close it early: the query must end before its connection.
    with (
        open_selection(settings, window, probes) as (connection, selection),
        closing(read_runs(connection, selection)) as runs,
    ):
        if kind == "parquet":
            export.write_parquet(runs, file)
            return
        lines = export.to_csv_lines(runs) if kind == "csv" else export.to_json_lines(runs)
        file.writelines(line.encode() for line in lines)
    file.flush()
