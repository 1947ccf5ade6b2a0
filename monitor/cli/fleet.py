"""`speedmon fleet`: forward runs to the PostgreSQL of a fleet, and show what is waiting."""

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
    """Forward runs to the PostgreSQL of a fleet (fleet.database_url), and show what is waiting."""


@group.command()
@click.option("-q", "--quiet", is_flag=True, help="Print nothing if everything was forwarded.")
@pass_settings
def push(settings: Settings, quiet: bool) -> None:
    """Forward all waiting runs now.

    Does not wait for the back-off to end; includes runs from before the fleet was configured.
    """
    from monitor.fleet.push import push as forward  # noqa: PLC0415  --help stays light

    done = forward(settings, _now, _show_progress if not quiet else _go_on)
    if not quiet:
        again = f", {done.known} of which it already had" if done.known else ""
        click.echo(f"forwarded {done.sent} runs{again}; {done.waiting} waiting")


@group.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show how many runs are waiting, since when, and why.

    Reads this installation's own database only.
    """
    import json  # noqa: PLC0415  --help stays light

    if not settings.fleet.database_url:
        raise ConfigError("there is no fleet: set fleet.database_url to the URL of its PostgreSQL")
    state = _status(settings)
    if as_json:
        click.echo(json.dumps(state, indent=1))
        return
    for line in _lines(state):
        click.echo(line)


@group.command()
@pass_settings
def adopt(settings: Settings) -> None:
    """Take over this probe's name in the fleet.

    For an installation that replaces the one that used the name before.
    """
    from monitor.fleet.push import adopt as take_over  # noqa: PLC0415  --help stays light

    take_over(settings)
    click.echo(f"{settings.probe.name}: this installation now forwards under that name")


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
        progress, waiting = outbox.progress(connection), outbox.waiting(connection)
    return {
        "fleet": masked(settings.fleet.database_url),
        "waiting": waiting.runs,
        "waiting_since": _text(waiting.since),
        "acknowledged_at": _text(progress.acknowledged_at),
        "failures": progress.failures,
        "failed_at": _text(progress.failed_at),
        "next_at": _text(backoff.due(progress.failures, progress.failed_at, _now())),
        "error": progress.error,
    }


def _text(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _lines(state: dict[str, Any]) -> Iterator[str]:
    yield f"fleet         {state['fleet']}"
    since = f", the oldest started at {state['waiting_since']}" if state["waiting"] else ""
    yield f"waiting       {state['waiting']} runs{since}"
    yield f"last success  {state['acknowledged_at'] or 'never'}"
    if state["failures"]:
        yield f"failures      {state['failures']} in a row, the last at {state['failed_at']}"
        yield f"last error    {state['error']}"
        yield f"next attempt  after a test, {'not before ' + state['next_at'] if state['next_at'] else 'the next one'}"
