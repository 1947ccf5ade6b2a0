"""`speedmon history`, `show`, `incidents`, `events` and `usage`: what is stored, as text, JSON or CSV."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from click.core import ParameterSource

from monitor.analysis.metrics import SPEED_METRICS
from monitor.cli.options import apply_dated_plans, days_option, pass_settings, pass_source
from monitor.cli.window import find_shown_runs, last_days, open_selection, print_note, select_zone
from monitor.errors import UsageError
from monitor.localtime import Window, months_back
from monitor.output import tables
from monitor.output.tables import to_printable
from monitor.output.units import format_short_duration, format_table_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from monitor.analysis.outages import Incident
    from monitor.config.settings import Settings
    from monitor.model import Attempt, Run
    from monitor.store.connection import Connection
    from monitor.store.events import LineEvent
    from monitor.store.read import RunFilter


# Stands for the id of the newest run.
LAST = ("last", "latest")

_KIND_LABELS = {"isp": "ISP", "external_ip": "external address"}


@click.command(name="history")
@days_option("How many days to look back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV (RFC 4180), rates in bit/s.")
@click.option("--sparkline", is_flag=True, help="Draw download, upload and latency above the table, one line each.")
@click.option("-v", "--verbose", is_flag=True, help="Print failure, diagnosis and remarks below each run.")
@pass_source
def history_command(
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
    from monitor.store.lookups import probe_names
    from monitor.store.read import read_runs

    with open_selection(settings, last_days(days), probes) as (connection, asked):
        selection = _shown(connection, asked, for_program=as_json or as_csv)
        if sparkline:
            _print_sparklines(connection, selection)
        # The reader of our output may close it early: the query must end before its connection.
        with closing(read_runs(connection, selection, newest_first=True)) as runs:
            if as_json or as_csv:
                texts = _export_lines(runs, as_json=as_json)
            else:
                several = len(selection.probes or probe_names(connection)) > 1
                texts = _table_lines(runs, settings, days, connection if verbose else None, with_probe=several)
            for text in texts:  # a program reads bytes, in UTF-8 whatever the locale
                click.echo(text.encode() if as_json or as_csv else text, nl=False)


def _shown(connection: Connection, selection: RunFilter, *, for_program: bool) -> RunFilter:
    """Return the days up to the newest run if the last days have none and no number of days was asked for.

    A program gets the days that the documents promise; where the runs are is printed all the same.
    """
    given = click.get_current_context().get_parameter_source("days") is not ParameterSource.DEFAULT
    shown, note = find_shown_runs(connection, selection, is_path_given=True, is_window_given=given)
    if for_program and note:
        print_note(f"no runs in the last 30 days; the newest is of {shown.until:%Y-%m-%d}: use --days")
        return selection
    print_note(note)
    return shown


def _print_sparklines(connection: Connection, selection: RunFilter) -> None:
    from monitor.graph import terminal
    from monitor.store.columnar import read_columns

    runs = read_columns(connection, selection, SPEED_METRICS)
    width = min(90, max(20, _terminal_width() - 32))
    for line in terminal.draw_sparklines(runs, Window(selection.since, selection.until), width):
        click.echo(line)


def _terminal_width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def _table_width() -> int:
    return max(60, _terminal_width())


def _export_lines(runs: Iterator[Run], *, as_json: bool) -> Iterable[str]:
    from monitor.output import export

    return export.to_json_array(runs) if as_json else export.to_csv_lines(runs)


def _table_lines(
    runs: Iterator[Run], settings: Settings, days: int, details: Connection | None, *, with_probe: bool
) -> Iterator[str]:
    first = next(runs, None)
    if first is None:
        yield f"No runs in the last {days} days. `speedmon collect` makes one.\n"
        return
    width = _table_width()
    details_of = partial(_detail_lines, connection=details, width=width) if details is not None else tables.no_lines
    rows = tables.run_table(chain([first], runs), select_zone(settings), width, details_of, with_probe=with_probe)
    for line in rows:
        yield line + "\n"


def _detail_lines(run: Run, connection: Connection, width: int) -> Iterator[str]:
    from monitor.output import run_details
    from monitor.store.read import read_findings

    findings = read_findings(connection, run.id) if run.failure else None
    return run_details.detail_lines(run, findings, width)


@click.command(name="incidents")
@days_option("How many days to look back.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON array; length_s is null for an outage that has not ended."
)
@pass_source
def incidents_command(settings: Settings, days: int, as_json: bool, probes: tuple[str, ...]) -> None:
    """List outages of the line, newest first: begin, end, length, cause, and how sure its ends are.

    Those with a failed test in that time are listed, with their true begin even if it lies before.

    An outage begins with the first test that failed because of the line, and ends with the first one that proves that
    the line works again: a success, or a failure during which packets came back over the line. Tests that this machine
    or its configuration prevented neither begin nor end one.
    """
    outages = _read_incidents(settings, days, probes, for_program=as_json)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(outages), indent=1))
        return
    for line in _incident_lines(outages, days, select_zone(settings)):
        click.echo(line)


def _read_incidents(settings: Settings, days: int, probes: tuple[str, ...], *, for_program: bool) -> list[Incident]:
    from monitor.store.incidents import read_incidents

    with open_selection(settings, last_days(days), probes) as (connection, asked):
        return read_incidents(connection, _shown(connection, asked, for_program=for_program))


def _incident_lines(outages: list[Incident], days: int, zone: ZoneInfo) -> Iterator[str]:
    if not outages:
        yield f"No outage of the line in the last {days} days."
        return
    yield f"Times in {zone.key}; begin and end are those of tests. Below each: the tests between which they lie."
    yield "Begin             End               Length    Failed  Path     Cause"
    several = len({incident.probe for incident in outages}) > 1
    for incident in outages:
        yield _incident_line(incident, zone, several=several)
        yield _edges_line(incident, zone)


def _incident_line(incident: Incident, zone: ZoneInfo, *, several: bool) -> str:
    begin = format_table_time(incident.began, zone)
    end = format_table_time(incident.ended, zone) if incident.ended else "lasts"
    cause = to_printable(f"{incident.probe + ': ' if several else ''}{incident.kind}: {incident.message}")
    length = "" if incident.length_s is None else format_short_duration(incident.length_s)
    return f"{begin:16}  {end:16}  {length:>8}  {incident.failures:6}  {incident.path:7}  {cause}"


def _edges_line(incident: Incident, zone: ZoneInfo) -> str:
    """Return between which tests an outage began and ended."""
    before, first, last, after = (
        at and format_table_time(at, zone)
        for at in (incident.last_good, incident.first_failed, incident.last_failed, incident.first_good)
    )
    began = f"last good {before}, first failed {first}" if before else f"no good test before, first failed {first}"
    return f"  {began}; last failed {last}, " + (f"first good {after}" if after else "no good test since")


@click.command(name="show")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: run, plan, raw, findings, trace.")
@click.option("--trace", "picture", metavar="FILE.png", help="Draw the kernel's byte counters during the test.")
@pass_settings
def show_command(settings: Settings, run: str, as_json: bool, picture: str | None) -> None:
    """Show everything stored about one run; RUN is its id, the beginning of its id, or "last" or "latest"."""
    apply_dated_plans(settings)
    attempt = _read_attempt(settings, run)
    if picture:
        _draw_trace(settings, attempt, Path(picture))
    if as_json:
        click.echo(msgspec.json.encode(attempt))
    elif not picture:
        _print_attempt(settings, attempt)


def _read_attempt(settings: Settings, run: str) -> Attempt:
    from monitor.store import read
    from monitor.store.connection import open_reader

    with open_reader(settings.database.url) as connection:
        newest = read.last_run(connection) if run in LAST else None
        if run in LAST and newest is None:
            raise UsageError("there is no run yet: `speedmon collect` runs a test")
        return read.find_attempt(connection, newest.id if newest else run)


def find_run(settings: Settings, run: str) -> Run:
    """Return a run by its id, the beginning of its id, or "last".

    Raises:
        UsageError: there is no such run, or more than one.
    """
    return _read_attempt(settings, run).run


def _print_attempt(settings: Settings, attempt: Attempt) -> None:
    from monitor.output import run_details

    for line in run_details.run_lines(attempt, select_zone(settings), _table_width()):
        click.echo(line)


def _draw_trace(settings: Settings, attempt: Attempt, file: Path) -> None:
    from monitor.graph import render
    from monitor.system import files

    trace = attempt.trace
    if trace is None or not trace.samples:
        raise UsageError(f"run {attempt.run.id} has no trace: the kernel's counters could not be read while it ran")
    render.prepare_matplotlib(os.environ, os.geteuid())
    from monitor.graph.trace import render_trace

    files.write_file(file, render_trace(attempt.run, trace, select_zone(settings)))
    click.echo(file)


@click.command(name="events")
@days_option("How many days to look back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@pass_source
def events_command(settings: Settings, days: int, as_json: bool, probes: tuple[str, ...]) -> None:
    """List changes of the ISP and the external address, newest first."""
    events = _read_events(settings, days, probes)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(events), indent=1))
        return
    here = select_zone(settings)
    several = len({event.probe for event in events}) > 1
    lines = [_event_line(event, here, several=several) for event in events]
    for line in lines or [f"Nothing changed in the last {days} days."]:
        click.echo(line)


def _read_events(settings: Settings, days: int, probes: tuple[str, ...]) -> list[LineEvent]:
    from monitor.store.events import read_events

    with open_selection(settings, last_days(days), probes) as (connection, selection):
        newest_first = [*read_events(connection, selection.since, selection.until)][::-1]
    return [event for event in newest_first if not probes or event.probe in probes]


def _event_line(event: LineEvent, zone: ZoneInfo, *, several: bool) -> str:
    what = _KIND_LABELS.get(event.kind, event.kind)
    text = to_printable(f"{event.probe + ': ' if several else ''}{what} is {event.after}, was {event.before}")
    return f"{format_table_time(event.at, zone)}  {event.path:7}  {text}"


@click.command(name="usage")
@click.option(
    "--months", type=click.IntRange(1, 120), metavar="N", default=12, show_default=True, help="How many to show."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, sizes in bytes.")
@pass_settings
def usage_command(settings: Settings, months: int, as_json: bool) -> None:
    """Show the data used by tests, by month, newest first.

    Where an engine reports no byte count, the kernel's counters are used instead, or rate times duration.
    """
    from monitor.store.statistics import monthly_usage

    here = select_zone(settings)
    used = monthly_usage(settings, months_back(datetime.now(UTC), here, months))
    shown = [month for number, month in enumerate(used) if month.tests or not number]
    accounts = [tables.to_monthly_usage(month, settings.budget.month_gb) for month in shown]
    if as_json:
        click.echo(msgspec.json.encode(accounts))
        return
    for line in tables.usage_table(accounts, here.key):
        click.echo(line)
