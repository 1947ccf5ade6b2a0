"""`speedmon check`: what a trustworthy test needs, each line ok or not with its fix."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_settings

if TYPE_CHECKING:
    from monitor.check.line import Line
    from monitor.settings import Settings

NOT_SOUND = 5
EVERY_S = 5.0
_INDENT = " " * 9


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array with one object per check.")
@click.option(
    "--watch",
    "every_s",
    metavar="[SECONDS]",
    type=click.FloatRange(0.1, 3600),
    is_flag=False,
    flag_value=EVERY_S,
    help="Repeat every SECONDS (default 5) until nothing fails; Ctrl-C ends it.",
)
@pass_settings
def command(settings: Settings, *, as_json: bool, every_s: float | None) -> int:
    """Check what a trustworthy test needs: the namespace from inside and outside, engine, clock, disk and database.

    Changes nothing and needs no root, though root sees more. Exit codes: 0 a test can be trusted; 5 it cannot, and
    each line that says why has its fix.
    """
    lines = _look(settings)
    _print(lines, as_json=as_json, repeated=every_s is not None)
    while every_s is not None and any(line.fails for line in lines):
        time.sleep(every_s)
        before, lines = lines, _look(settings)
        if sys.stdout.isatty() and not as_json:
            _print(lines, as_json=False, repeated=True)
        elif lines != before:
            _print(lines if as_json else _changed(lines, before), as_json=as_json, repeated=True)
    return NOT_SOUND if any(line.fails for line in lines) else 0


def _look(settings: Settings) -> list[Line]:
    from monitor import check  # noqa: PLC0415  --help stays light

    return check.run(settings, os.environ, os.geteuid(), datetime.now(UTC).replace(microsecond=0))


def _changed(lines: list[Line], before: list[Line]) -> list[Line]:
    """Return the lines whose state has changed; times and counters in a message change each time."""
    states = {(line.name, line.ok, line.matters) for line in before}
    return [line for line in lines if (line.name, line.ok, line.matters) not in states]


def _print(lines: list[Line], *, as_json: bool, repeated: bool) -> None:
    if as_json:
        click.echo(_json(lines))
        return
    if repeated and sys.stdout.isatty():
        click.clear()
    for line in lines:
        click.echo(_text(line))


def _json(lines: list[Line]) -> bytes:
    import msgspec  # noqa: PLC0415  loaded with the settings already

    return msgspec.json.encode(lines)


def _text(line: Line) -> str:
    word, colour = _state(line)
    text = f"{click.style(f'{word:7}', fg=colour)}  {line.name:10}  {line.message}"
    return f"{text}\n{_INDENT}fix: {line.fix}" if line.fix else text


def _state(line: Line) -> tuple[str, str]:
    if line.ok is None:
        return "unknown", "cyan"
    if line.ok:
        return "ok", "green"
    return ("NOT OK", "red") if line.matters else ("warning", "yellow")
