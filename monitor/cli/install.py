"""`speedmon install` and `speedmon uninstall`: the service of this machine, set up and removed."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.install.installation import InstallPlan
    from monitor.model import Run
    from netns.plan.steps import Step

MAX_MBPS = 1_000_000

WATCHED_BY = {
    "serve": "speedmon-serve.service runs the tests and serves the page",
    "timer": "speedmon-collect.timer runs the tests",
    "cron": "cron runs the tests: /etc/cron.d/speedmon",
    "none": "nothing runs tests by itself: --scheduler serve changes that",
}


def _parse_plan(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[float, float] | None:
    """Return download and upload in Mbit/s."""
    if text is None:
        return None
    download, slash, upload = text.partition("/")
    try:
        rates = (float(download), float(upload))
    except ValueError:
        slash = ""
        rates = (0.0, 0.0)
    if not slash or not all(0 < rate <= MAX_MBPS for rate in rates):
        raise UsageError(f"--plan {text}: write download and upload in Mbit/s, such as 100/20")
    return rates


_dry_run = click.option("--dry-run", is_flag=True, help="Print the steps without carrying them out.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


@click.command("install")
@click.option(
    "--user", "members", multiple=True, metavar="NAME", help="Let this user see and run tests; can be repeated."
)
@click.option(
    "--scheduler",
    type=click.Choice(["serve", "timer", "cron", "none"]),
    help="What runs the tests; default: serve, or cron where there is no systemd.",
)
@click.option(
    "--plan", metavar="DOWN/UP", callback=_parse_plan, help="What your ISP sold you, in Mbit/s, such as 100/20."
)
@click.option(
    "--extra",
    "extras",
    multiple=True,
    type=click.Choice(["notify", "mqtt"]),
    help="Add a library to this installation: for notifications, for MQTT; can be repeated.",
)
@click.option("--no-test", is_flag=True, help="Do not run a test at the end.")
@_dry_run
@_json
def install_command(
    members: tuple[str, ...],
    scheduler: str | None,
    plan: tuple[float, float] | None,
    extras: tuple[str, ...],
    no_test: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Install the service of this machine: it tests the line over reboots, firewall reloads and upgrades.

    Makes the user and group speedmon, /etc/speedmon, one database in /var/lib/speedmon, the namespace and the units,
    and ends with a test. Needs root. A second call changes nothing; after an upgrade or a kill it does what is left.
    """
    from monitor.cli.manual import generated_files
    from monitor.install import installation
    from monitor.install.model import SchedulerKind
    from monitor.install.observe import this_program

    installation.require_root("install")
    _add_libraries(extras, dry_run=dry_run, quiet=as_json)
    options = installation.InstallOptions(members, SchedulerKind(scheduler) if scheduler else None, plan)
    program, files = this_program(), generated_files()
    on_step = _printer(dry_run=dry_run, quiet=as_json)
    run = None
    with nullcontext() if dry_run else installation.sole_installer():
        planned = installation.plan_install(options, program, files)
        if not dry_run:
            run = installation.carry_out(options, planned, extra_files=files, test=not no_test, on_step=on_step)
    for step in planned.steps if dry_run else ():
        on_step(step)
    if as_json:
        click.echo(_to_json(planned, run, dry_run=dry_run))
    elif not dry_run:
        _print_summary(planned, run, tested=not no_test)


@click.command("uninstall")
@click.option("--purge", is_flag=True, help="Remove the results and the settings too.")
@_dry_run
@_json
def uninstall_command(purge: bool, dry_run: bool, as_json: bool) -> None:
    """Remove what install made: units, namespace, launcher, user and group. Needs root.

    Results in /var/lib/speedmon and settings in /etc/speedmon stay, unless --purge is given.
    """
    from monitor.install import installation, model

    installation.require_root("uninstall")
    on_step = _printer(dry_run=dry_run, quiet=as_json)
    with nullcontext() if dry_run else installation.sole_installer():
        planned = installation.plan_uninstall(purge=purge)
        if not dry_run:
            installation.carry_out_uninstall(planned, on_step)
    for step in planned if dry_run else ():
        on_step(step)
    if as_json:
        click.echo(json.dumps({"changed": bool(planned) and not dry_run, "dry_run": dry_run, "steps": _words(planned)}))
    elif not planned:
        click.echo("nothing is installed: nothing to remove")
    elif not dry_run:
        kept = "" if purge else f"; results stay in {model.STATE_DIRECTORY}, settings in {model.CONFIG_DIRECTORY}"
        click.echo(f"speedmon is uninstalled{kept}. The program itself: pipx uninstall, or remove its environment")


def _add_libraries(extras: tuple[str, ...], *, dry_run: bool, quiet: bool) -> None:
    """Add the libraries of extras that are missing; print what could not be added, and the command that does it."""
    from monitor.install.libraries import add_libraries, missing_libraries
    from monitor.system.installation import install_command

    libraries = missing_libraries(extras)
    if not libraries:
        return
    if not quiet:
        click.echo(f"{'' if dry_run else '+ '}{install_command(*libraries)}")
    if not dry_run and (note := add_libraries(libraries)):
        click.echo(f"speedmon: note: {note}", err=True)


def _printer(*, dry_run: bool, quiet: bool) -> Callable[[Step], None]:
    def print_step(step: Step) -> None:
        if not quiet:
            click.echo(str(step) if dry_run else f"+ {step}")

    return print_step


def _words(planned: tuple[Step, ...]) -> list[str]:
    return [str(step) for step in planned]


def _print_summary(planned: InstallPlan, run: Run | None, *, tested: bool) -> None:
    for note in planned.notes:
        click.echo(f"speedmon: note: {note}", err=True)
    if not planned.steps:
        click.echo("speedmon is already installed, nothing changed")
    elif tested:
        click.echo(f"first test: {_describe_test(run)}")
    click.echo(f"{WATCHED_BY[planned.scheduler]}; the namespace is made at boot and repaired before each test")
    if page := _page(planned):
        click.echo(f"page: {page}")
    click.echo("next: speedmon status, speedmon history, speedmon graph --days 30")


def _describe_test(run: Run | None) -> str:
    from monitor.cli.collect import summary_line
    from monitor.model import Status, describe_failure

    if run is None:
        return "could not be started: see journalctl -u speedmon-collect, then run speedmon check"
    return summary_line(run) if run.status is Status.OK else f"{run.status.value}: {describe_failure(run)}"


def _page(planned: InstallPlan) -> str:
    from monitor.install.model import SchedulerKind

    web = planned.settings.web
    return f"http://{web.host}:{web.port}/" if planned.scheduler is SchedulerKind.SERVE else ""


def _to_json(planned: InstallPlan, run: Run | None, *, dry_run: bool) -> str:
    import msgspec

    document: dict[str, Any] = {
        "changed": bool(planned.steps) and not dry_run,
        "dry_run": dry_run,
        "scheduler": planned.scheduler.value,
        "steps": _words(planned.steps),
        "notes": list(planned.notes),
        "page": _page(planned) or None,
        "test": run,
    }
    return msgspec.json.encode(document).decode()
