"""`speedmon check`: whether a test can be trusted here, one line a check, each failure with how to fix it."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from monitor.cli.options import pass_settings

if TYPE_CHECKING:
    from monitor.check.model import CheckResult
    from monitor.config.settings import Settings


# The exit code if a test cannot be trusted.
NOT_SOUND = 5

INTERVAL_S = 5.0

_INDENT = " " * 9


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array with one object per check.")
@click.option(
    "--watch",
    "every_s",
    metavar="[SECONDS]",
    type=click.FloatRange(0.1, 3600),
    is_flag=False,
    flag_value=INTERVAL_S,
    help="Repeat every SECONDS (default 5) until nothing fails; Ctrl-C ends it.",
)
@click.option(
    "--bundle",
    "bundle_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what belongs into a bug report, with secrets and addresses masked.",
)
@pass_settings
def command(settings: Settings, *, as_json: bool, every_s: float | None, bundle_file: Path | None) -> int:
    """Check what a trustworthy test needs: the namespace from inside and outside, engine, clock, disk and database.

    Changes nothing and needs no root, though root sees more. Exit codes: 0 a test can be trusted; 5 it cannot:
    each failed check says how to fix it.
    """
    if bundle_file is not None:
        return _write_bundle(settings, bundle_file)
    lines = _run_checks(settings)
    _print_lines(lines, as_json=as_json, repeated=every_s is not None)
    while every_s is not None and any(line.fails for line in lines):
        time.sleep(every_s)
        before, lines = lines, _run_checks(settings)
        if sys.stdout.isatty() and not as_json:
            _print_lines(lines, as_json=False, repeated=True)
        elif lines != before:
            _print_lines(lines if as_json else _changed_lines(lines, before), as_json=as_json, repeated=True)
    return NOT_SOUND if any(line.fails for line in lines) else 0


def _write_bundle(settings: Settings, file: Path) -> int:
    from monitor.check.bundle import make_bundle
    from monitor.system import files

    text = make_bundle(settings, os.environ, os.geteuid(), datetime.now(UTC).replace(microsecond=0))
    content = text.encode("utf-8", "backslashreplace")
    if file == Path("-"):
        files.write_stream(sys.stdout.buffer, content)
        return 0
    files.write_file(file, content)
    click.echo(f"wrote {file}: read it before you send it", err=True)
    return 0


def _run_checks(settings: Settings) -> list[CheckResult]:
    from monitor.check import run

    return run.run_checks(settings, os.environ, os.geteuid(), datetime.now(UTC).replace(microsecond=0))


def _changed_lines(lines: list[CheckResult], before: list[CheckResult]) -> list[CheckResult]:
    """Return the lines whose state has changed; times and counters in a message change each time."""
    states = {(line.name, line.ok, line.matters) for line in before}
    return [line for line in lines if (line.name, line.ok, line.matters) not in states]


def _print_lines(lines: list[CheckResult], *, as_json: bool, repeated: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(lines))
        return
    if repeated and sys.stdout.isatty():
        click.clear()
    for line in lines:
        click.echo(_format_line(line))


def _format_line(line: CheckResult) -> str:
    word, colour = _state_label(line)
    text = f"{click.style(f'{word:7}', fg=colour)}  {line.name:10}  {line.message}"
    return f"{text}\n{_INDENT}fix: {line.fix}" if line.fix else text


def _state_label(line: CheckResult) -> tuple[str, str]:
    if line.ok is None:
        return "unknown", "cyan"
    if line.ok:
        return "ok", "green"
    return ("NOT OK", "red") if line.matters else ("warning", "yellow")
