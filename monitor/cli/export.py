"""`speedmon export`: write the stored runs to a file, for other programs or for `speedmon import` elsewhere."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from monitor import output, zone
from monitor.cli.moments import moment
from monitor.cli.options import MOST_DAYS, pass_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.model import Run
    from monitor.settings import Settings

FORMATS = ("csv", "jsonl", "parquet")
STDOUT = "-"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@click.command("export")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), metavar="N", help="The last N days; default: all runs.")
@click.option("--since", metavar="TIME", help="Begin at this date or time (ISO 8601), instead of --days.")
@click.option("--until", metavar="TIME", help="End at this date or time (ISO 8601); default: now.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Default: the ending of FILE, else csv.")
@click.option(
    "--output",
    "file",
    metavar="FILE",
    default=STDOUT,
    help="File to write, complete or not at all; - is standard output.",
)
@pass_source
def command(  # noqa: PLR0913, PLR0917  click passes one parameter for each option, by name
    settings: Settings,
    days: int | None,
    since: str | None,
    until: str | None,
    kind: str | None,
    file: str,
    probes: tuple[str, ...],
) -> None:
    """Write the stored runs, oldest first, as CSV, JSON Lines or Parquet, with what `history` prints of each."""
    kind = kind or _by_name(file)
    if file == STDOUT and kind == "parquet" and sys.stdout.isatty():
        raise click.UsageError(
            "Parquet cannot be printed to a terminal: redirect standard output, or name a file with --output"
        )
    here = zone.resolve(settings.display.timezone)
    # A run that starts in this second belongs to the export as well.
    end = moment(until, "--until", here) or datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    begin = _begin(days, moment(since, "--since", here), end)
    if file == STDOUT:
        _write(settings, begin, end, kind, sys.stdout.buffer, probes)
        return
    with output.whole_file(Path(file)) as opened:
        _write(settings, begin, end, kind, opened, probes)


def _by_name(file: str) -> str:
    ending = Path(file).suffix.removeprefix(".").lower()
    return ending if ending in FORMATS else FORMATS[0]


def _begin(days: int | None, since: datetime | None, end: datetime) -> datetime:
    if days is not None and since is not None:
        raise click.UsageError("--days and --since exclude each other: give one")
    begin = since or (end - timedelta(days=days) if days else _BEGINNING)
    if begin >= end:
        raise click.UsageError(
            f"the window is empty: it begins at {begin:%Y-%m-%dT%H:%MZ} and ends at {end:%Y-%m-%dT%H:%MZ}"
        )
    return begin


def _write(  # noqa: PLR0913, PLR0917  six
    settings: Settings, begin: datetime, end: datetime, kind: str, file: BinaryIO, probes: tuple[str, ...]
) -> None:
    from monitor.store import open as store  # noqa: PLC0415  --help stays light
    from monitor.store import read  # noqa: PLC0415  the same
    from monitor.store.probes import named  # noqa: PLC0415  the same

    with store.open_reader(settings.database.url) as connection:
        chosen = named(connection, probes)
        # The reader of our output may close it early: the query must end before its connection.
        with closing(read.runs(connection, since=begin, until=end, probes=chosen)) as runs:
            if kind == "parquet":
                from monitor import parquet  # noqa: PLC0415  only when it is asked for

                parquet.write(runs, file)
                return
            file.writelines(text.encode() for text in _texts(runs, kind))
    file.flush()


def _texts(runs: Iterator[Run], kind: str) -> Iterator[str]:
    from monitor import export  # noqa: PLC0415  only when it is called

    return export.csv_lines(runs) if kind == "csv" else export.json_lines(runs)
