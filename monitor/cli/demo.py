"""`speedmon demo`: measure a simulated line in a lab of network namespaces; changes nothing on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from monitor.errors import OutputError, UsageError
from netns.lab.run import REPLACED_DIRECTORIES


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
    from monitor.demo.run import DemoOptions, demo_environment, play_demo
    from netns.lab.run import run_in_private_machine

    if inside:
        ctx.exit(play_demo(DemoOptions(output, keep_database, as_json)))
    output = _writable_path(output)
    arguments = ["--inside", "--output", str(output), *(["--json"] if as_json else [])]
    if keep_database is not None:
        keep_database = _new_file(_writable_path(keep_database))
        arguments += ["--keep-database", str(keep_database)]
    program = [sys.executable, "-P", "-m", "monitor", "demo", *arguments]
    ctx.exit(run_in_private_machine(program, demo_environment(os.environ, keep_database)))


def _writable_path(path: Path) -> Path:
    """Return an absolute path that can be written from inside the lab.

    Raises:
        UsageError: the lab hides that folder.
        OutputError: the folder does not exist or is not the caller's to write.
    """
    absolute = Path(os.path.realpath(path))
    folder = str(absolute.parent)
    if absolute.is_relative_to("/run") or folder in REPLACED_DIRECTORIES:
        raise UsageError(f"{absolute}: the lab has a folder of its own in place of {folder}; choose another")
    if not os.access(absolute.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{absolute}: cannot be written; choose another place")
    return absolute


def _new_file(path: Path) -> Path:
    if path.exists():
        raise UsageError(f"{path} exists; the demo keeps its runs in a new file")
    return path
