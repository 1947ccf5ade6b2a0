"""`speedmon setup-netns`, `teardown-netns` and `exec`: set up, remove and enter the namespace."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import pass_settings
from monitor.errors import OutputError
from netns.entry.enter import WAYS
from netns.errors import NetnsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.config.settings import Settings
    from netns.plan.planner import SetupPlan
    from netns.plan.steps import Step
    from netns.spec import NamespaceSpec


# How often set-up tries again while it waits, and how long after boot the network may come.
POLL_S, BOOT_S = 0.5, 300


def _dry_run_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--dry-run", is_flag=True, help="Print the steps without carrying them out.")(function)


def _name_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--name", metavar="NAME", help="Name of the namespace.  [default: ip4only]")(function)


def _json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")(function)


@click.command()
@_name_option
@click.option(
    "--subnet", metavar="NETWORK", help="IPv4 network between host and namespace.  [default: 192.168.200.0/24]"
)
@click.option("--uplink", metavar="IFACE", help="Interface to the internet; auto: that of the host's default route.")
@click.option(
    "--router",
    metavar="ADDRESS",
    help="Router on the uplink that was named; needed if no route of the host names it.",
)
@click.option("--dns", multiple=True, metavar="ADDRESS", help="IPv4 name server for the namespace; can be repeated.")
@click.option(
    "--user", "members", multiple=True, metavar="USER", help="Let this user enter (group speedmon); can be repeated."
)
@click.option("--launcher/--no-launcher", default=True, help="Install the program ip4only for users other than root.")
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(0, 3600),
    metavar="S",
    default=0,
    help="Wait so many seconds for a default route, or until five minutes after boot if that is longer.",
)
@click.option("--log", type=click.Path(path_type=Path), metavar="FILE", help="Append what was changed to this file.")
@_dry_run_option
@_json_option
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@pass_settings
def setup(
    settings: Settings, *, quiet: bool, dry_run: bool, as_json: bool, wait_s: int, log: Path | None, **options: Any
) -> None:
    """Create the IPv4-only namespace, its NAT and its launcher, or repair whatever is missing.

    Needs root. Running it again is safe. Firewall rules of the host are neither flushed nor changed; where one would
    drop the namespace's packets, a tagged rule is inserted ahead of it, which teardown-netns removes.
    """
    from netns import setup

    spec = _parse_spec(settings, **options)
    on_step = _print_nothing if quiet or as_json else _step_printer(dry_run=dry_run)
    done = retry_set_up(lambda: setup.set_up_namespace(spec, dry_run=dry_run, on_step=on_step), wait_s)
    if log is not None and done.steps and not dry_run:
        _write_log(log, done)
    if as_json:
        click.echo(_result_json(spec, done, dry_run=dry_run))
        return
    for note in done.notes:
        click.echo(f"speedmon: note: {note}", err=True)
    if not quiet and not dry_run:
        click.echo(_summary(spec, changed=bool(done.steps)))


def retry_set_up(set_up: Callable[[], SetupPlan], wait_s: int) -> SetupPlan:
    """Call until it works, for a while: at boot, or when an uplink is replaced, the default route comes late.

    A test that is due soon after boot waits for the set-up that began then, so that goes on for longer.
    """
    from monitor.system.clock import seconds_since_start

    deadline = time.monotonic() + (max(wait_s, BOOT_S - seconds_since_start()) if wait_s else 0)
    while True:
        try:
            return set_up()
        except NetnsError as error:
            if not error.retryable or time.monotonic() >= deadline:
                raise
        time.sleep(POLL_S)


def _write_log(file: Path, done: SetupPlan) -> None:
    from monitor.system.repairs import append_repair

    try:
        append_repair(file, [str(step) for step in done.steps])
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}") from error


@click.command()
@_name_option
@click.option("--keep-launcher", is_flag=True, help="Keep the launcher and its group, for a new setup after a reboot.")
@_dry_run_option
@_json_option
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@pass_settings
def teardown(
    settings: Settings, *, name: str | None, keep_launcher: bool, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Remove the namespace and everything that setup-netns created, and nothing else. Needs root."""
    from netns import setup

    spec = _parse_spec(settings, name=name)
    on_step = _print_nothing if quiet or as_json else _step_printer(dry_run=dry_run)
    done = setup.tear_down_namespace(spec, keep_launcher=keep_launcher, dry_run=dry_run, on_step=on_step)
    if as_json:
        click.echo(_result_json(spec, done, dry_run=dry_run))
    elif not done.steps and not quiet:
        click.echo(f"there is no namespace {spec.name}: nothing to remove")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--way", type=click.Choice(WAYS), help="How to enter, instead of namespace.way of the configuration.")
@click.argument("argv", nargs=-1, required=True, metavar="-- COMMAND [ARG]...")
@pass_settings
def run(settings: Settings, way: str | None, argv: tuple[str, ...]) -> None:
    """Run a command inside the namespace as the current user, without any capability.

    With sudo it runs as the user who called sudo. The exit code is that of COMMAND; 5 the namespace is missing or not
    sound; 6 not permitted.
    """
    from netns.entry import enter

    namespace = settings.namespace
    command = enter.build_command(
        namespace.name, list(argv), environ=os.environ, way=way or namespace.way, dns=namespace.dns
    )
    user = enter.find_sudo_caller(os.environ)
    environment = enter.caller_environment(user, os.environ) if user and command != [*argv] else os.environ
    for name in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a program inherits what is ignored
        signal.signal(name, signal.SIG_DFL)
    os.execvpe(command[0], command, environment)  # noqa: S606  replacing this process is the point


def _parse_spec(
    settings: Settings,
    *,
    name: str | None = None,
    subnet: str | None = None,
    uplink: str | None = None,
    dns: tuple[str, ...] = (),
    router: str | None = None,
    **more: Any,
) -> NamespaceSpec:
    from msgspec.structs import replace

    from netns.spec import parse_spec

    configured = settings.namespace
    behind = "" if uplink else configured.router  # another uplink has another router
    spec = parse_spec(
        name or configured.name,
        subnet or configured.subnet,
        uplink or configured.uplink,
        dns or tuple(configured.dns),
        router=behind if router is None else router,
    )
    return replace(spec, **more)


def _print_nothing(_step: Step) -> None:
    pass


def _step_printer(*, dry_run: bool) -> Callable[[Step], None]:
    return lambda step: click.echo(step.script if dry_run else f"+ {step}")


def _result_json(spec: NamespaceSpec, done: SetupPlan, *, dry_run: bool) -> str:
    """Return what was done, or would be, as JSON; uplink and subnet only if there is an uplink."""
    import json

    document: dict[str, Any] = {
        "namespace": spec.name,
        "changed": bool(done.steps) and not dry_run,
        "dry_run": dry_run,
        "steps": [str(step) for step in done.steps],
        "notes": list(done.notes),
    }
    if done.uplink:
        document |= {"uplink": done.uplink.link, "router": done.uplink.router, "mtu": done.uplink.mtu}
        document |= {"subnet": str(spec.subnet), "address": str(spec.subnet[2])}
    return json.dumps(document)


def _summary(spec: NamespaceSpec, *, changed: bool) -> str:
    state = "is ready" if changed else "is already set up, nothing changed"
    return f"namespace {spec.name} {state}: `speedmon exec -- COMMAND` runs a command inside"
