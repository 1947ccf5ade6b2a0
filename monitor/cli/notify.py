"""`speedmon notify` and `digest`: messages about changes of state, and the summary of a day or week."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import days_option, pass_settings, pass_source
from monitor.cli.window import select_zone
from monitor.errors import ConfigError, NotifyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from monitor.config.settings import Settings
    from monitor.localtime import Window
    from monitor.notify.addresses import Address
    from monitor.notify.health import AddressReport
    from monitor.store.notifications import QueuedMessage


@click.group(name="notify")
def notify_group() -> None:
    """Send messages about changes of state, test the addresses, list what was sent."""


@notify_group.command()
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@pass_source
def run(settings: Settings, quiet: bool, probes: tuple[str, ...]) -> None:
    """Judge new runs and send what is due.

    `collect` and `serve` do it by themselves.

    Exit codes: 0 done, or nothing to do; 1 an address did not take a message, which is sent later.
    """
    from monitor.notify.deliver import run_notifier

    settings = _with_probes(settings, probes)
    report = run_notifier(settings, _now)
    sent, errors = [*report.sent], [*report.errors]
    if settings.mqtt.url or settings.mqtt.url_file:
        from monitor.notify.mqtt import publish_newest

        for target, reason in filter(None, [publish_newest(settings, _now)]):
            (errors if reason else sent).append(f"{target.name}: {reason or 'the newest result'}")
    if not quiet:
        for line in sent or ["nothing is due"]:
            click.echo(line)
    _raise_errors(errors)


@notify_group.command()
@pass_settings
def test(settings: Settings) -> None:
    """Send a test message to each address.

    Fetches notify.ping_url, and publishes the newest result to mqtt.url.

    Exit codes: 0 every address took it; 1 one did not; 2 no address is configured.
    """
    errors = []
    for target, reason in _send_tests(settings):
        click.echo(f"{target.name}: {reason or 'ok'}")
        errors += [f"{target.name}: {reason}"] if reason else []
    _raise_errors(errors)


@notify_group.command()
@days_option("How many days to look back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_settings
def history(settings: Settings, days: int, as_json: bool) -> None:
    """List messages and what became of them.

    Newest first; then the addresses that fail.
    """
    from monitor.notify.health import address_reports, read_history

    messages = read_history(settings, _now() - timedelta(days=days))
    reports = address_reports(settings)
    if as_json:
        listed = [_message_object(message) for message in messages]
        click.echo(json.dumps({"messages": listed, "addresses": [report.to_object() for report in reports]}, indent=1))
        return
    zone = select_zone(settings)
    for line in (*_history_lines(messages, zone), *_health_lines(reports, zone)):
        click.echo(line)


@click.command("digest")
@click.option("--print", "only_print", is_flag=True, help="Print it; send nothing.")
@click.option("--html", "as_html", is_flag=True, help="With --print: as HTML.")
@click.option("--daily", is_flag=True, help="Of the last day, whatever notify.digest is.")
@click.option("--weekly", is_flag=True, help="Of the last week, whatever notify.digest is.")
@pass_source
def digest_command(
    settings: Settings, only_print: bool, as_html: bool, daily: bool, weekly: bool, probes: tuple[str, ...]
) -> None:
    """Send the digest of the last full day or week, with its picture, or print it.

    Exit codes: 0 done; 1 an address did not take it; 2 no address is configured.
    """
    if daily and weekly:
        raise click.UsageError("--daily and --weekly exclude each other: give one")
    period = "daily" if daily else "weekly" if weekly else settings.notify.digest or "weekly"
    settings = _with_probes(settings, probes)
    if only_print:
        _print_digest(settings, period, as_html=as_html)
        return
    _raise_errors(_send_digest(settings, period))


def _with_probes(settings: Settings, probes: tuple[str, ...]) -> Settings:
    from msgspec.structs import replace

    return replace(settings, notify=replace(settings.notify, probes=list(probes))) if probes else settings


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _raise_errors(errors: list[str]) -> None:
    if errors:
        raise NotifyError("; ".join(errors))


def _configured(settings: Settings) -> list[Address]:
    from monitor.notify.addresses import load_addresses

    targets = load_addresses(settings.notify)
    if not targets and not settings.notify.ping_url and not settings.mqtt.url and not settings.mqtt.url_file:
        raise ConfigError("there is no address: set notify.urls, notify.urls_file, notify.ping_url or mqtt.url")
    return targets


def _send_tests(settings: Settings) -> Iterator[tuple[Address, str]]:
    """Send a test to each address; yield each with the reason why that failed, empty if it did not."""
    from monitor.notify.addresses import ping_address
    from monitor.notify.deliver import send
    from monitor.notify.health import note_attempt
    from monitor.notify.mqtt import publish_newest
    from monitor.notify.send import Outgoing

    text = f"This is a test of speedmon on {settings.probe.name}."
    deadline_s, ping = settings.notify.deadline_s, ping_address(settings.notify)
    outgoing = [
        (target, Outgoing(target.url, f"{settings.probe.name}: test", text, f"<p>{text}</p>", "", deadline_s))
        for target in _configured(settings)
    ]
    for target, message in [*outgoing, *([(ping, Outgoing(ping.url, deadline_s=deadline_s))] if ping else [])]:
        reason = send(message)
        note_attempt(settings, target, reason, _now())
        yield target, reason
    yield from filter(None, [publish_newest(settings, _now, retry=True)])


def _digest_window(period: str, zone: ZoneInfo) -> Window:
    from monitor.notify.digest import last_period

    return last_period(period, "00:00", _now(), zone)


def _print_digest(settings: Settings, period: str, *, as_html: bool) -> None:
    from monitor.notify.deliver import text_context
    from monitor.notify.summary import load_digest
    from monitor.notify.texts import render_digest

    zone = select_zone(settings)
    digest, _ = load_digest(settings, period, _digest_window(period, zone), zone)
    message = render_digest(digest, text_context(settings, zone))
    if message.problem:
        click.echo(f"speedmon: {message.problem}", err=True)
    click.echo(message.html if as_html else f"{message.title}\n\n{message.text}", nl=False)


def _send_digest(settings: Settings, period: str) -> list[str]:
    """Send the digest to each address; return the errors."""
    import tempfile
    from pathlib import Path

    from monitor.notify.deliver import send, text_context, to_outgoing
    from monitor.notify.summary import compose_window

    zone, errors = select_zone(settings), []
    targets = _configured(settings)
    with tempfile.TemporaryDirectory(prefix="speedmon-notify-") as folder:
        window = _digest_window(period, zone)
        message, picture = compose_window(settings, period, window, text_context(settings, zone), Path(folder))
        for target in targets:
            reason = send(to_outgoing(target, message, picture, settings.notify.deadline_s))
            click.echo(f"{target.name}: {reason or message.title}")
            errors += [f"{target.name}: {reason}"] if reason else []
    return errors


def _message_object(message: QueuedMessage) -> dict[str, Any]:
    from monitor.notify.health import describe_document

    return {
        "queued_at": _format_time(message.created_at),
        "address": message.name,
        "kind": message.kind,
        "about": describe_document(message),
        "status": message.status.value,
        "ended_at": _format_time(message.ended_at),
        "title": message.title,
        "error": message.error,
    }


def _format_time(seconds: int | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _history_lines(messages: list[QueuedMessage], zone: ZoneInfo) -> Iterator[str]:
    from monitor.notify.health import describe_document
    from monitor.output.tables import to_printable
    from monitor.output.units import format_table_time

    if not messages:
        yield "no messages"
    for message in messages:
        queued = format_table_time(datetime.fromtimestamp(message.created_at, UTC), zone)
        error = f": {message.error}" if message.error and message.status == "waiting" else ""
        about = to_printable(message.title or describe_document(message))
        yield f"{queued}  {message.status:8} {message.name}  {about}{to_printable(error)}"


def _health_lines(reports: list[AddressReport], zone: ZoneInfo) -> Iterator[str]:
    for report in reports:
        if report.is_broken:
            yield report.describe(zone)
