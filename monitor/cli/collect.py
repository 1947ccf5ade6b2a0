"""`speedmon collect`: run one test now, print the result as one line, and exit with the documented code."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click
import msgspec
from msgspec import structs

from monitor.cli.options import pass_settings
from monitor.engines.registry import AUTO, BUILT_IN
from monitor.errors import UsageError
from monitor.model import NetworkPath, Status, Trigger, describe_failure, describe_server, is_run_id
from monitor.system.logs import has_journal, report_run
from netns.entry.enter import PASTA
from netns.kernel.handle import is_entered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.collect.policy import Retry
    from monitor.collect.progress import NoProgress, ProgressBar
    from monitor.config.settings import ScheduleSettings, Settings
    from monitor.model import Run


# Where `speedmon install` lets the members of the group ask for tests.
SERVICE_SOCKET = "/run/speedmon/collect.sock"


# Set in units that have another unit send notifications.
NOTIFY_VARIABLE = "SPEEDMON_NOTIFY_UNIT"


@click.command("collect")
@click.option("--engine", metavar="NAME", help=f"Engine: {', '.join((AUTO, *BUILT_IN))}, or one of another package.")
@click.option("--server-id", metavar="ID", help="Test against this server only.")
@click.option(
    "--path", type=click.Choice([path.value for path in NetworkPath]), help="ip4only: in the namespace; host: outside."
)
@click.option("--no-retry", is_flag=True, help="Run one test only, even if it fails.")
@click.option("--anyway", is_flag=True, help="Test although the engine is in back-off or the month's data is used.")
@click.option("--json", "as_json", is_flag=True, help="Print the stored run, the last one, as one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing when the test succeeds.")
@click.option("--schedule", "schedule_name", metavar="NAME", hidden=True)
@click.option("--trigger", type=click.Choice([t.value for t in Trigger]), default=Trigger.CLI.value, hidden=True)
@click.option("--run-id", hidden=True)
@pass_settings
def command(
    settings: Settings,
    engine: str | None,
    server_id: str | None,
    path: str | None,
    no_retry: bool,
    anyway: bool,
    as_json: bool,
    quiet: bool,
    trigger: str,
    schedule_name: str | None,
    run_id: str | None,
) -> int:
    """Run one speed test and store the result; a failed test may be retried.

    Exit codes, of the last test: 0 measured; 2 usage or configuration; 3 the test failed and is recorded; 4 skipped
    (another test runs, the month's data is used, the engine is in back-off, quiet hours) and recorded; 5 the namespace
    is missing or broken, recorded; 6 not permitted, recorded.
    """
    if trigger == Trigger.SCHEDULE.value:
        settings = settings.with_schedule(_choose_schedule(settings, schedule_name))
    if run_id is not None and not is_run_id(run_id):
        raise UsageError(f"--run-id {run_id!r} is not a UUID")
    if _must_ask_service(settings, path):
        flags = {"-q": quiet, "--no-retry": no_retry, "--anyway": anyway, "--json": as_json}
        values = {"--engine": engine, "--server-id": server_id, "--trigger": trigger}
        values |= {"--schedule": schedule_name, "--run-id": run_id}
        if (code := _ask_service(flags, values)) is not None:
            return code
    from monitor.collect import collector, measure

    wrap = partial(measure.namespace_command, way=settings.namespace.way, dns=settings.namespace.dns)
    runtime = measure.Runtime(os.environ, os.geteuid(), wrap, meter=_progress_bar(quiet=quiet or as_json))
    request = replace(
        collector.make_request(settings, engine, path, server_id, Trigger(trigger)), anyway=anyway, run_id=run_id
    )
    if no_retry:
        settings = structs.replace(settings, retry=structs.replace(settings.retry, attempts=1))
    run, code = collector.collect(settings, request, runtime, partial(_report_attempt, quiet=quiet or as_json))
    if as_json and not (quiet and run.status is Status.OK):
        click.echo(msgspec.json.encode(run))
    if settings.namespace.way == PASTA and run.path is NetworkPath.IP4ONLY and run.status is Status.OK and not quiet:
        click.echo("speedmon: note: measured through pasta, a proxy on this machine", err=True)
    _start_notifier(settings)
    if settings.fleet.database_url:
        from monitor.store.forwarding import forward_after_test

        forward_after_test(settings, run)
    return code


def _ask_service(flags: Mapping[str, bool], values: Mapping[str, str | None]) -> int | None:
    """Let the service run a test with these options; return its exit code, None if it cannot be asked."""
    from monitor.scheduler.relay import request_test

    arguments = [flag for flag, given in flags.items() if given]
    arguments += [part for option, value in values.items() if value for part in (option, value)]
    return request_test(SERVICE_SOCKET, arguments)


def _choose_schedule(settings: Settings, name: str | None) -> ScheduleSettings:
    """Return the schedule of that name, the first one without a name."""
    named = {schedule.name: schedule for schedule in settings.schedules}
    if name is not None and name not in named:
        raise UsageError(f"--schedule {name}: there is no [[schedule]] of this name: {', '.join(filter(None, named))}")
    return settings.schedules[0] if name is None else named[name]


def _start_notifier(settings: Settings) -> None:
    """Start the process that sends notifications, if any are configured, now that the run is stored.

    The units of `install` have a unit that does it outside of the namespace.
    """
    notify = settings.notify
    is_wanted = notify.urls or notify.urls_file or notify.ping_url or settings.mqtt.url or settings.mqtt.url_file
    if not is_wanted or os.environ.get(NOTIFY_VARIABLE):
        return
    from monitor.notify.launch import start_notifier

    try:
        start_notifier(click.get_current_context().find_root().obj, os.environ)
    except OSError as error:
        click.echo(f"speedmon: notifications cannot be sent: {error}; `speedmon notify run` tries again", err=True)


def _must_ask_service(settings: Settings, path: str | None) -> bool:
    """Return whether only the service can enter the namespace for this user: there is no launcher, but its socket."""
    is_inside = (path or settings.collect.path) == NetworkPath.IP4ONLY.value
    return (
        is_inside
        and os.geteuid() != 0
        and settings.namespace.way != PASTA
        and not os.path.lexists(f"/usr/local/bin/{settings.namespace.name}")
        and os.access(SERVICE_SOCKET, os.W_OK)
        and not is_entered(settings.namespace.name)
    )


def _progress_bar(*, quiet: bool) -> ProgressBar | NoProgress:
    from monitor.collect.progress import NoProgress, ProgressBar

    return NoProgress() if quiet or not sys.stderr.isatty() else ProgressBar(sys.stderr)


def _report_attempt(run: Run, following: Retry | None, *, quiet: bool) -> None:
    if run.failure is not None:
        again = f"; retry in {following.wait_s} s" if following and following.wait_s else ""
        line = f"test {run.status.value}: {_failure_with_fix(run)}{again}"
        level = logging.INFO if run.status is Status.SKIPPED else logging.WARNING
        if not report_run(line, level, run.id, os.environ):
            click.echo(f"speedmon: {line}", err=True)
    elif has_journal(os.environ):
        report_run(f"measured: {summary_line(run)}", logging.INFO, run.id, os.environ)
    if run.status is Status.OK and not quiet:
        click.echo(summary_line(run))


def _failure_with_fix(run: Run) -> str:
    """Return why a test failed, with what to do about it, or why it was skipped."""
    from monitor.diagnosis.advice import advice_for, needs_no_advice

    failure = run.failure
    if failure is None or run.status is Status.SKIPPED or needs_no_advice(failure):
        return describe_failure(run)
    return f"{describe_failure(run)}; fix: {advice_for(failure, run.engine)}"


def summary_line(run: Run) -> str:
    """Return a measured run as one line: rates, latency, ISP, server and remarks, as far as they are known."""
    from monitor.output.units import format_ms, format_rate

    parts = [
        f"download {format_rate(run.download_bps)}" if run.download_bps else None,
        f"upload {format_rate(run.upload_bps)}" if run.upload_bps else None,
        f"latency {format_ms(run.latency_ms)}" if run.latency_ms is not None else None,
        run.isp,
        describe_server(run.server),
        *(remark.message for remark in run.remarks),
    ]
    return ", ".join(part for part in parts if part)
