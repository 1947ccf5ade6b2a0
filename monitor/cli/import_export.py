"""`speedmon import` and `export`: runs from and for other programs."""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import click

from monitor.cli.options import MAX_DAYS, apply_dated_plans, pass_settings, pass_source
from monitor.cli.window import end_of_now, open_selection, parse_moment, select_zone
from monitor.errors import UsageError
from monitor.localtime import Window
from monitor.model import NetworkPath, Plan
from monitor.output.tables import to_printable
from monitor.output.units import format_table_time
from monitor.system import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.config.settings import Settings
    from monitor.importers.base import ImportContext, ImportedRun
    from monitor.importers.columns import ColumnMap
    from monitor.importers.importer import ImportSource
    from monitor.importers.storing import ImportCounts


IMPORT_FORMATS = (
    *("auto", "speedmon", "ookla", "speedtest-cli", "librespeed", "speedtest-tracker", "myspeed", "pihole"),
    *("speedtest-cli-extras", "table"),
)

EXPORT_FORMATS = ("csv", "jsonl", "parquet")

STDOUT = "-"

_TABLE_WIDTH = 100

_Part = TypeVar("_Part")

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
@click.option(
    "--map",
    "columns_text",
    metavar="KEY=COLUMN,...",
    help="Columns of any other CSV, such as 'time=When,download=Down [Mbit/s],upload=Up [Mbit/s],latency=Ping [ms]'.",
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
@click.option(
    "--date-order",
    type=click.Choice(["dmy", "mdy", "ymd"]),
    help="Order of dates such as 01/04/24; default: the one that all dates of the file can have.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be imported and the first runs, and store nothing.")
@pass_settings
def import_command(
    settings: Settings,
    files: tuple[Path, ...],
    wanted: str,
    columns_text: str | None,
    probe: str | None,
    path: str,
    zone_name: str | None,
    date_order: str | None,
    dry_run: bool,
) -> None:
    """Import runs from files of other programs, or from an export; runs that are already stored are not changed.

    Reads exports of speedmon, logs of Ookla's CLI, speedtest-cli and LibreSpeed's CLI, the database or exports of
    speedtest-tracker (both programs of that name), of MySpeed and of Pi-hole's speedtest, and tables whose header names
    the units, gzipped or not. FILE may be a pipe; - is standard input.
    """
    from monitor.importers.base import ImportContext
    from monitor.importers.columns import ColumnMap

    context = ImportContext(
        probe or settings.probe.name,
        NetworkPath(path),
        select_zone(settings, zone_name),
        replaces_probe=probe is not None,
        date_order=date_order,
    )
    column_map = ColumnMap(columns_text) if columns_text else None
    if not dry_run:
        apply_dated_plans(settings)
    importing = _Importing(settings, context, wanted, column_map, dry_run=dry_run)
    failures = [failure for file in files if (failure := importing.import_file(file))]
    for failure in failures[:-1]:
        click.echo(f"speedmon: {failure}", err=True)
    if failures:
        raise failures[-1]


class _Importing:
    """One call of `import`: imports a file and prints a summary, for one file after the other."""

    def __init__(
        self, settings: Settings, context: ImportContext, wanted: str, column_map: ColumnMap | None, *, dry_run: bool
    ) -> None:
        from monitor.importers import storing

        url = settings.database.url
        self._settings = settings
        self._context = context
        self._wanted = wanted
        self._column_map = column_map
        self._dry_run = dry_run
        self._store = storing.DryRun(url).store if dry_run else partial(storing.store_batch, url)

    def import_file(self, file: Path) -> UsageError | None:
        """Import a file; return why nothing could be taken from it, so that the other files are still read."""
        from monitor.importers import importer, storing

        counts = storing.ImportCounts()
        error = None
        try:
            with (
                importer.open_source(file, self._context, self._wanted, self._column_map) as opened,
                _progress_bar(file, opened) as show_position,
            ):
                for batch in storing.split_batches(opened.records, counts):
                    self._store([self._with_plan(imported) for imported in batch], counts)
                    show_position(opened.position())
        except UsageError as reason:
            error = reason
        if error is None or counts != storing.ImportCounts():
            for line in self._summary_lines(file, counts):
                click.echo(line)
        if error is None and not counts.taken:
            error = UsageError(f"{file}: nothing was taken from it")
        return error

    def _with_plan(self, imported: ImportedRun) -> ImportedRun:
        """Return a run of this probe with the plan of its time, if plans have dates."""
        from monitor.importers.storing import with_plan

        is_own = imported.attempt.run.probe == self._settings.probe.name
        if not is_own or not self._settings.dated_plans:
            return imported
        return with_plan(imported, lambda at: Plan(**self._settings.plan_at(at).promised))

    def _summary_lines(self, file: Path, counts: ImportCounts) -> Iterator[str]:
        imported = "would be imported" if self._dry_run else "imported"
        known = f"already stored: {counts.existing:,}, rejected: {counts.rejected:,}"
        yield f"{file}: runs {imported}: {counts.stored:,}, {known}"
        yield from _listed("line", counts.reasons, counts.rejected, lambda refused: (refused.line, refused.reason))
        yield from _listed("note on line", counts.notes, counts.noted, lambda note: (note.line, note.text))
        if counts.first is not None and counts.last is not None:
            zone = select_zone(self._settings)
            first, last = (format_table_time(moment, zone) for moment in (counts.first, counts.last))
            yield f"  {counts.taken:,} from {first} to {last} ({zone.key}), failed: {counts.failed:,}"
        if self._dry_run and counts.shown:
            from monitor.output.tables import run_table

            yield from (f"  {line}" for line in run_table(counts.shown, select_zone(self._settings), _TABLE_WIDTH))
        elif counts.first is not None and counts.last is not None:
            yield f"  to see them: {_commands_to_see(counts.first, counts.last, datetime.now(UTC))}"


def _listed(title: str, parts: list[_Part], total: int, describe: Callable[[_Part], tuple[int, str]]) -> Iterator[str]:
    for part in parts:
        line, text = describe(part)
        yield f"  {title} {line}: {to_printable(text)}"
    if total > len(parts):
        yield f"  and {total - len(parts):,} more"


def _commands_to_see(first: datetime, last: datetime, now: datetime) -> str:
    """Return the commands that show the runs of a window, whatever their path is."""
    days = max(1, -((first - now) // timedelta(days=1)))
    until = last + timedelta(days=1)
    return (
        f"speedmon graph --path all --since {first:%Y-%m-%d} --until {until:%Y-%m-%d},"
        f" or speedmon history --days {days}"
    )


@contextmanager
def _progress_bar(file: Path, opened: ImportSource) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows the position reached in the file, as a progress bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _position: None
        return
    with click.progressbar(length=max(1, opened.length), label=file.name, file=sys.stderr, show_pos=False) as bar:
        yield lambda position: bar.update(position - bar.pos)


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
