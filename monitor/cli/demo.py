"""`speedmon demo`: measure a simulated line in a lab of network namespaces; changes nothing on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from monitor.errors import OutputError, UsageError
from netns.lab.furnish import STOOD_IN


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="speedmon-demo.png",
    show_default=True,
    help="File of the graph.",
)
@click.option(
    "--keep-database", type=click.Path(path_type=Path), help="Keep the runs in this SQLite file, which must not exist."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end instead of what happens.")
@click.option("--inside", is_flag=True, hidden=True, help="Run inside a lab that the caller has built.")
@click.pass_context
def command(ctx: click.Context, *, output: Path, keep_database: Path | None, as_json: bool, inside: bool) -> None:
    """Measure a simulated line of known speed, over the host and over the namespace, and draw the results.

    Needs no root where user namespaces are allowed, takes less than a minute, and changes nothing on this machine.
    Exit codes: 0 the measured speeds are right; 1 they are not; 6 namespaces are not allowed here.
    """
    from monitor import demo_run  # noqa: PLC0415  imports pyroute2
    from netns.lab import world  # noqa: PLC0415  only this command needs it

    if inside:
        ctx.exit(demo_run.act(demo_run.Wanted(output, keep_database, as_json)))
    output = _usable(output)
    arguments = ["--inside", "--output", str(output), *(["--json"] if as_json else [])]
    if keep_database is not None:
        keep_database = _new(_usable(keep_database))
        arguments += ["--keep-database", str(keep_database)]
    program = [sys.executable, "-P", "-m", "monitor", "demo", *arguments]
    ctx.exit(world.run(program, demo_run.environment(os.environ, keep_database)))


def _usable(path: Path) -> Path:
    """Return an absolute path that can be written from inside the lab.

    Raises:
        UsageError: the lab hides that folder.
        OutputError: the folder does not exist or is not the caller's to write.
    """
    absolute = Path(os.path.realpath(path))
    folder = str(absolute.parent)
    if absolute.is_relative_to("/run") or folder in STOOD_IN:
        raise UsageError(f"{absolute}: the lab has a folder of its own in place of {folder}; choose another")
    if not os.access(absolute.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{absolute}: cannot be written; choose another place")
    return absolute


def _new(path: Path) -> Path:
    if path.exists():
        raise UsageError(f"{path} exists; the demo keeps its runs in a new file")
    return path
