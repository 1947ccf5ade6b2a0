"""`speedmon fleet`: forward runs to the PostgreSQL of a fleet by hand, and tell what waits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import pass_settings
from monitor.config_text import masked
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.fleet.push import Pushed
    from monitor.settings import Settings


@click.group(name="fleet")
def group() -> None:
    """Forward runs to the PostgreSQL of a fleet (fleet.database_url), and tell what waits."""


@group.command()
@click.option("-q", "--quiet", is_flag=True, help="Print nothing when all was forwarded.")
@pass_settings
def push(settings: Settings, quiet: bool) -> None:
    """Forward now all that waits.

    However often that failed before, and from before there was a fleet too.
    """
    from monitor.fleet.push import push as forward  # noqa: PLC0415  --help stays light

    done = forward(settings, _now, _show_progress if not quiet else _go_on)
    if not quiet:
        again = f", {done.known} of which it had" if done.known else ""
        click.echo(f"forwarded {done.sent} runs{again}; {done.waiting} wait")


@group.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Say what waits, since when, and what kept it.

    It asks this installation's own database only.
    """
    import json  # noqa: PLC0415  --help stays light

    if not settings.fleet.database_url:
        raise ConfigError("there is no fleet: set fleet.database_url to the URL of its PostgreSQL")
    found = _status(settings)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for line in _lines(found):
        click.echo(line)


@group.command()
@pass_settings
def adopt(settings: Settings) -> None:
    """Take over the probe's name in the fleet.

    For an installation that replaces the one that had it.
    """
    from monitor.fleet.push import adopt as take_over  # noqa: PLC0415  --help stays light

    take_over(settings)
    click.echo(f"{settings.probe.name}: this installation forwards under that name from now on")


def _show_progress(done: Pushed) -> bool:
    if done.sent:
        click.echo(f"forwarded {done.sent} runs ...", err=True)
    return True


def _go_on(_done: Pushed) -> bool:
    return True


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _status(settings: Settings) -> dict[str, Any]:
    from monitor.fleet import backoff  # noqa: PLC0415  --help stays light
    from monitor.store import outbox  # noqa: PLC0415  the same
    from monitor.store.open import open_reader  # noqa: PLC0415  the same

    with open_reader(settings.database.url) as connection:
        found, waiting = outbox.progress(connection), outbox.waiting(connection)
    return {
        "fleet": masked(settings.fleet.database_url),
        "waiting": waiting.runs,
        "waiting_since": _text(waiting.since),
        "acknowledged_at": _text(found.acknowledged_at),
        "failures": found.failures,
        "failed_at": _text(found.failed_at),
        "next_at": _text(backoff.due(found.failures, found.failed_at, _now())),
        "error": found.error,
    }


def _text(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"fleet         {found['fleet']}"
    since = f", the oldest started at {found['waiting_since']}" if found["waiting"] else ""
    yield f"waiting       {found['waiting']} runs{since}"
    yield f"last success  {found['acknowledged_at'] or 'never'}"
    if found["failures"]:
        yield f"failures      {found['failures']} in a row, the last at {found['failed_at']}"
        yield f"last error    {found['error']}"
        yield f"next attempt  after a test, {'not before ' + found['next_at'] if found['next_at'] else 'the next one'}"
