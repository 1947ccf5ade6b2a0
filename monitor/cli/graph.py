"""`speedmon graph`: draw the stored runs, as a PNG, SVG or PDF or in the terminal."""

from __future__ import annotations

import gc
import os
import re
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import ALL, pass_source
from monitor.cli.window import (
    WindowOptions,
    find_shown_runs,
    fit_first_days,
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
from monitor.graph import render
from monitor.graph.render import GraphContext
from monitor.graph.theme import FILE_FORMATS, THEMES, RenderOptions, format_of_name
from monitor.localtime import Window
from monitor.model import Plan
from monitor.system import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from monitor.analysis.columns import Columns
    from monitor.config.settings import Settings
    from monitor.graph.theme import FileFormat


KINDS = [*render.KINDS, *render.KIND_ALIASES, ALL]
KIND_HELP = "; ".join(f"{name}: {kind.description}" for name, kind in render.KINDS.items())

SIZE_PATTERN = re.compile(r"([1-9]\d{2,4})[xX]([1-9]\d{2,4})")
MAX_PIXELS = 10_000
# Of a graph at its usual size.
DPI = 100


def _parse_size(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Return width and height as numbers."""
    if value is None:
        return None
    match = SIZE_PATTERN.fullmatch(value)
    if not match or max(int(match[1]), int(match[2])) > MAX_PIXELS:
        raise click.BadParameter(f"{value!r} is not a size such as 1200x860, at most {MAX_PIXELS} pixels each way")
    return int(match[1]), int(match[2])


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """The options of the command: which graphs of which runs, how they are drawn, and where they are written."""

    window: WindowOptions
    kinds: list[str]
    probes: tuple[str, ...]
    path: str | None
    in_zone: str | None
    size: tuple[int, int] | None
    dpi: int
    theme: str
    form: FileFormat
    file: str | None
    folder: str | None
    quiet: bool

    @property
    def render_options(self) -> RenderOptions:
        """How each graph is drawn."""
        return RenderOptions(self.size, self.dpi / DPI, THEMES[self.theme], self.form)


@click.command("graph")
@window_options
@path_option
@click.option(
    "--kind", type=click.Choice(KINDS), default=render.DEFAULT_KIND, help=f"{KIND_HELP}; all, with --output-dir."
)
@zone_option
@click.option("--size", callback=_parse_size, metavar="WxH", help="Pixels at 100 dpi, such as 1200x860.")
@click.option("--dpi", type=click.IntRange(50, 600), default=DPI, help="Dots per inch: 200 doubles width and height.")
@click.option("--theme", type=click.Choice(list(THEMES)), default="light", help="print is black and grey on white.")
@click.option(
    "--format", "form", type=click.Choice(FILE_FORMATS), help="File format; default: the ending of FILE, else png."
)
@click.option("--output", "file", metavar="FILE", help="File to write; - is standard output.")
@click.option(
    "--output-dir",
    "folder",
    metavar="DIR",
    help="Write latest-30d.png or similar into DIR, always under the same name.",
)
@click.option("--terminal", is_flag=True, help="Draw in the terminal; write no file.")
@click.option("-q", "--quiet", is_flag=True, help="Do not print the names of the files.")
@pass_source
def command(settings: Settings, *, terminal: bool, **options: Any) -> None:
    """Draw the stored runs, with every failure, as a PNG, SVG or PDF."""
    request = _to_request(options)
    if terminal and (request.file or request.folder or request.kinds != [render.DEFAULT_KIND]):
        raise click.UsageError(f"--terminal draws {render.DEFAULT_KIND} and no file: leave out --kind and --output")
    here = select_zone(settings, request.in_zone)
    window = request.window.window(here, datetime.now(UTC).replace(microsecond=0))
    with _without_garbage_collector():
        runs, context, window = _read_runs(settings, window, request, here)
        if terminal:
            _print_plots(runs, window, context)
            return
        render.prepare_matplotlib(os.environ, os.geteuid())
        for kind in request.kinds:
            graph = render.render(kind, runs, window, context, request.render_options)
            _write_graph(_target_file(request, kind, window, context), graph, quiet=request.quiet)
    if not len(runs):
        click.echo("speedmon: no runs in this window; the graph is empty", err=True)


def _to_request(options: dict[str, Any]) -> GraphOptions:
    """Return the options, checked against each other; removes some from the mapping."""
    window, kind = pop_window_options(options), options.pop("kind")
    names = list(render.KINDS) if kind == ALL else [render.KIND_ALIASES.get(kind, kind)]
    _check_output(kind, options["file"], options["folder"])
    _check_size(names, options["size"])
    form = options.pop("form") or format_of_name(options["file"] or "")
    if form is None:
        raise click.UsageError(f"--output {options['file']}: name it FILE.png, FILE.svg or FILE.pdf, or give --format")
    # A comparison is of all paths unless one is named.
    path = options.pop("path") or (ALL if names == ["compare"] else None)
    return GraphOptions(window, names, path=path, form=form, **options)


def _check_output(kind: str, file: str | None, folder: str | None) -> None:
    if file and folder:
        raise click.UsageError("--output and --output-dir exclude each other: give one")
    if kind == ALL and not folder:
        raise click.UsageError("--kind all needs --output-dir: it writes several files")
    if file == "-" and sys.stdout.isatty():
        raise click.UsageError(
            "a picture is not for a terminal: redirect standard output, or name a file with --output"
        )


def _check_size(names: list[str], size: tuple[int, int] | None) -> None:
    width, height = (max(render.KINDS[name].smallest[axis] for name in names) for axis in range(2))
    if size and (size[0] < width or size[1] < height):
        raise click.BadParameter(f"too small to be read: at least {width}x{height}", param_hint="--size")


def _target_file(request: GraphOptions, kind: str, window: Window, context: GraphContext) -> str:
    """Return the file to write: the one named, `latest-…` in a folder, or one named for the window."""
    if request.file:
        return request.file
    span = request.window.span(window, context.zone)
    suffix = "" if kind == render.DEFAULT_KIND else f"-{kind}"
    if request.folder:
        return str(Path(request.folder) / f"latest-{span}{suffix}.{request.form}")
    return f"speedmon-{span}{suffix}.{request.form}"


@contextmanager
def _without_garbage_collector() -> Iterator[None]:
    """Keep the garbage collector off: it would add 0.1 s to the imports, and the process ends soon."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_runs(
    settings: Settings, window: Window, request: GraphOptions, here: ZoneInfo
) -> tuple[Columns, GraphContext, Window]:
    """Return the runs, what else a graph depends on, and the window, which is an earlier one if this one is empty."""
    from monitor.store.columnar import read_columns

    path = select_path(settings, request.path)
    with open_selection(settings, window, request.probes, path) as (connection, selection):
        run_filter, note = find_shown_runs(
            connection,
            selection,
            is_path_given=request.path is not None,
            is_window_given=request.window.is_given,
        )
        if not request.quiet:
            print_note(note or ("" if request.path else other_path_note(connection, run_filter)))
        if not request.window.is_given:
            run_filter = fit_first_days(connection, run_filter)
        runs = read_columns(connection, run_filter, render.required_metrics(request.kinds))
    probes = sorted({attributes.probe for attributes, _ in runs.counts()}) or [settings.probe.name]
    plan, title = Plan(**settings.plan_at(datetime.now(UTC)).promised), f"Internet speed at {', '.join(probes)}"
    context = GraphContext(here, plan, title, settings.display.plan_met_pct)
    return runs, context, Window(run_filter.since, run_filter.until)


def _print_plots(runs: Columns, window: Window, context: GraphContext) -> None:
    from monitor.graph import terminal

    for line in terminal.plot_runs(runs, window, context, shutil.get_terminal_size((100, 24)).columns):
        click.echo(line)


def _write_graph(target: str, graph: bytes, *, quiet: bool) -> None:
    if target == "-":
        files.write_stream(sys.stdout.buffer, graph)
        return
    files.write_file(Path(target), graph)
    if not quiet:
        click.echo(target)
