"""`speedmon report`: the evidence for the ISP as HTML and PDF, with its data as CSV."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import pass_source
from monitor.cli.window import (
    WindowOptions,
    find_shown_runs,
    open_selection,
    other_path_note,
    path_option,
    pop_window_options,
    print_note,
    select_path,
    select_zone,
    window_options,
    zone_option,
)
from monitor.localtime import Window
from monitor.model import Plan

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.config.settings import Settings


BOTH = "both"

FORMS = ("html", "pdf")

DATA = ".csv"


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """The options of the command: which runs, which rules they are compared with, which formats, and the files."""

    window: WindowOptions
    forms: tuple[str, ...]
    file: Path | None
    folder: Path | None
    rules: Path | None
    probes: tuple[str, ...]
    path: str | None
    compare: bool
    quiet: bool

    def names(self, window: Window, here: ZoneInfo) -> tuple[Path, dict[str, Path]]:
        """Return the file of the data, and the files of the documents by format."""
        if self.file:
            return self.file.with_suffix(DATA), {self.forms[0]: self.file}
        span = self.window.span(window, here)
        base = str(self.folder / f"latest-{span}-report") if self.folder else f"speedmon-report-{span}"
        return Path(base + DATA), {form: Path(f"{base}.{form}") for form in self.forms}


def _show_rules(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Print the example rules, as a start for one's own."""
    if value:
        from monitor.report.rules import EXAMPLE_PROFILE

        click.echo(EXAMPLE_PROFILE.read_bytes(), nl=False)
        ctx.exit()


@click.command("report")
@window_options
@path_option
@zone_option
@click.option(
    "--format", "form", type=click.Choice([*FORMS, BOTH]), help="File format; default: the ending of FILE, else both."
)
@click.option("--output", "file", metavar="FILE", help="FILE.html or FILE.pdf; the data goes into FILE.csv beside it.")
@click.option(
    "--output-dir",
    "folder",
    metavar="DIR",
    help="Write latest-30d-report.html etc. into DIR, always under the same names.",
)
@click.option("--rules", metavar="FILE", help="Compare the results with these rules instead of the example.")
@click.option(
    "--show-rules",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_rules,
    help="Print the example rules, as a start for your own.",
)
@click.option(
    "--compare-previous",
    "compare",
    is_flag=True,
    help="Report what changed compared with the window of the same length before.",
)
@click.option("-q", "--quiet", is_flag=True, help="Do not print the names of the files.")
@pass_source
def command(settings: Settings, *, in_zone: str | None, **options: Any) -> None:
    """Write a report to hand to the ISP, as HTML and PDF, and its data as CSV."""
    request = _to_request(options)
    here = select_zone(settings, in_zone)
    now = datetime.now(UTC).replace(microsecond=0)
    window = request.window.window(here, now)
    table, documents = files = request.names(window, here)
    if not _write_report(settings, request, window, here, now, files):
        click.echo("speedmon: no runs in this window; the report says so", err=True)
    if not request.quiet:
        for file in (*documents.values(), table):
            click.echo(file)


def _to_request(options: dict[str, Any]) -> ReportRequest:
    """Return the options, checked against each other; removes some from the mapping."""
    window, form = pop_window_options(options), options.pop("form")
    file, folder, rules = (options.pop(name) for name in ("file", "folder", "rules"))
    if file and folder:
        raise click.UsageError("--output and --output-dir exclude each other: give one")
    forms = (_document_format(file, form),) if file else FORMS if form in {None, BOTH} else (str(form),)
    return ReportRequest(window, forms, file=_path(file), folder=_path(folder), rules=_path(rules), **options)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _document_format(file: str, form: str | None) -> str:
    """Return the format of a file that was named."""
    ending = Path(file).suffix.lower()
    if file == "-" or ending == DATA or form == BOTH:
        raise click.UsageError("--output names one document, and its data goes beside it: give FILE.html or FILE.pdf")
    if form:
        return form
    if ending.removeprefix(".") not in FORMS:
        raise click.UsageError(f"--output {file}: name it FILE.html or FILE.pdf, or give --format")
    return ending.removeprefix(".")


def _write_report(
    settings: Settings,
    request: ReportRequest,
    window: Window,
    here: ZoneInfo,
    now: datetime,
    files: tuple[Path, dict[str, Path]],
) -> int:
    """Write the data and the documents; return how many runs they cover."""
    from monitor.graph import render

    render.prepare_matplotlib(os.environ, os.geteuid())
    from monitor.report import load, write
    from monitor.report.evidence import gather_evidence
    from monitor.report.rules import load_profile

    rules = load_profile(request.rules)
    path = select_path(settings, request.path)
    with open_selection(settings, window, request.probes, path) as (connection, asked):
        selection, note = find_shown_runs(
            connection, asked, is_path_given=request.path is not None, is_window_given=request.window.is_given
        )
        if not request.quiet:
            print_note(note or ("" if request.path else other_path_note(connection, selection)))
        window, path = Window(selection.since, selection.until), selection.path
        chosen = load.RunSelection(connection, window, path, tuple(selection.probes))
        subject = load.load_subject(chosen, zone=here, made_at=now, plan=Plan(**settings.plan_at(now).promised))
        compared = load.add_comparison(subject, chosen) if request.compare else subject
        about = replace(compared, rules=rules, met_pct=settings.display.plan_met_pct)
        probes = sorted({sort.probe for sort, _ in about.columns.counts()}) or [settings.probe.name]
        write.write_report(gather_evidence(about), chosen, f"Internet speed at {', '.join(probes)}", *files)
        return len(about.columns)
