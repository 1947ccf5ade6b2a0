"""Installs and removes speedmon: observe, plan, apply, verify; what fails is taken back."""

from __future__ import annotations

import fcntl
import os
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.config import edit, load
from monitor.config.settings import Settings
from monitor.errors import ConfigError, InstallError, SpeedmonError, UsageError
from monitor.install import apply, model, planner, steps, units
from monitor.install.model import InstallRequest, SchedulerKind
from monitor.install.observe import observe_machine, run_systemctl, this_program
from monitor.store.connection import open_reader
from monitor.store.read import last_run
from monitor.system import files, state_files
from netns.errors import NotPermittedError
from netns.launcher import group
from netns.spec import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.install.model import InstalledProgram, MachineState
    from monitor.model import Run
    from netns.plan.steps import Step
    from netns.spec import NamespaceSpec

# What all attempts of a test may take at most, with the namespace before them.
DEADLINE_S = 1800

CONFIG_HEAD = """\
# speedmon's configuration of this machine, written by `speedmon install`, which does not change what you add.
# `speedmon config init --output -` prints every setting with its default.
"""


class InstallOptions(Struct, frozen=True):
    """What the command was told: None and empty leave things as they are, or as is usual."""

    members: tuple[str, ...] = ()
    scheduler: SchedulerKind | None = None
    plan: tuple[float, float] | None = None


class InstallPlan(Struct, frozen=True):
    """What is to be done, and what the summary needs of the machine."""

    steps: tuple[Step, ...]
    scheduler: SchedulerKind
    settings: Settings
    notes: tuple[str, ...] = ()


def plan_install(options: InstallOptions, program: InstalledProgram, extra_files: dict[str, str]) -> InstallPlan:
    """Return what an installation would do now; changes nothing.

    Args:
        options: what the user asked for.
        program: the program that the units start.
        extra_files: more files to write, by path, such as the manual.

    Raises:
        NotPermittedError: the caller is not root.
        SpecError: a user who is to be let in does not exist.
        UsageError: the scheduler cannot run here, or cannot keep the schedule.
    """
    require_root("install")
    for user in options.members:
        group.require_user(user, model.GROUP)
    config = _config_text(options)
    settings = _parse_settings(config)
    spec = namespace_spec(settings)
    paths = (model.CONFIG_FILE, *extra_files)
    machine = observe_machine(spec, paths)
    if not machine.local_writable:
        extra_files = {path: text for path, text in extra_files.items() if not is_local(path)}
    scheduler = planner.choose_scheduler(options.scheduler, machine)
    if len(settings.schedules) > 1 and scheduler in {SchedulerKind.TIMER, SchedulerKind.CRON}:
        raise UsageError(
            f"{model.CONFIG_FILE} has {len(settings.schedules)} [[schedule]], which only --scheduler serve keeps"
        )
    values = units.unit_values(
        program, spec.name, settings.schedule, deadline_s=DEADLINE_S, minute=machine.default_minute
    )
    files = {model.CONFIG_FILE: config, **extra_files}
    files |= {f"{model.UNIT_DIRECTORY}/{name}": text for name, text in units.render_units(scheduler, values).items()}
    if scheduler is SchedulerKind.CRON:
        files[model.CRON_FILE] = units.render_crontab(values)
    request = InstallRequest(scheduler, options.members, options.plan)
    planned = planner.plan_install(request, machine, files, program)
    return InstallPlan(planned, scheduler, settings, tuple(_notes(options, machine)))


@contextmanager
def sole_installer() -> Iterator[None]:
    """Let one installation or removal at a time change the machine; the file goes again.

    Raises:
        InstallError: another one is at work.
    """
    file = Path(model.INSTALL_LOCK_FILE)
    descriptor = state_files.open_lock_file(file)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InstallError("another speedmon install or uninstall is at work: wait for its end") from None
    try:
        yield
    finally:
        files.remove_file(file)
        os.close(descriptor)


def carry_out(
    options: InstallOptions,
    planned: InstallPlan,
    *,
    extra_files: dict[str, str],
    test: bool,
    on_step: Callable[[Step], None],
) -> Run | None:
    """Carry out a plan and verify it; return the first test, which comes before the scheduler starts.

    Raises:
        InstallError: a step failed, and those before it were undone; or something changes back what was done.
    """
    if not planned.steps:
        return None
    spec = namespace_spec(planned.settings)
    prepare = tuple(step for step in planned.steps if not isinstance(step, steps.StartUnit))
    start = tuple(step for step in planned.steps if isinstance(step, steps.StartUnit))
    apply.apply_steps(prepare, spec, on_step)
    run = run_first_test(planned.scheduler) if test else None
    try:
        apply.apply_steps(start, spec, on_step)
    except InstallError as error:
        left = apply.undo_steps(prepare, spec)
        raise InstallError("; ".join([str(error), *left])) from error
    remaining = plan_install(options, this_program(), extra_files).steps
    if remaining:
        raise InstallError(f"the installation did not hold: {'; '.join(map(str, remaining))}; run install again")
    return run


def run_first_test(scheduler: SchedulerKind) -> Run | None:
    """Run one test as the scheduler will; return its stored run, None if nothing was stored."""
    began = datetime.now(UTC).replace(microsecond=0)
    try:
        if scheduler is SchedulerKind.CRON:
            _test_by_command()
        else:
            run_systemctl("start", units.COLLECT, timeout_s=DEADLINE_S)
    except SpeedmonError:
        # The run says what happened; without one the caller says where to look.
        return _run_since(began)
    return _run_since(began)


def _test_by_command() -> None:
    environment = {**os.environ, "STATE_DIRECTORY": model.STATE_DIRECTORY}
    subprocess.run(
        [this_program().command, "--config", model.CONFIG_FILE, "collect", "-q"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )


def _run_since(began: datetime) -> Run | None:
    with open_reader(model.DATABASE_URL) as connection:
        newest = last_run(connection)
    return newest if newest is not None and newest.started_at >= began else None


def plan_uninstall(*, purge: bool) -> tuple[Step, ...]:
    """Return the steps that remove the installation; changes nothing.

    Raises:
        NotPermittedError: the caller is not root.
    """
    require_root("uninstall")
    return planner.plan_uninstall(observe_machine(installed_spec(), ()), purge=purge)


def carry_out_uninstall(planned: tuple[Step, ...], on_step: Callable[[Step], None]) -> None:
    """Remove the installation.

    Raises:
        InstallError: some steps failed; the others were carried out.
    """
    apply.apply_all_steps(planned, installed_spec(), on_step)


def installed_spec() -> NamespaceSpec:
    """Return the namespace of the installed configuration; the usual one where that cannot be read."""
    try:
        return namespace_spec(_parse_settings(_read_config()))
    except ConfigError:
        return namespace_spec(Settings())


def namespace_spec(settings: Settings) -> NamespaceSpec:
    """Return the namespace that the settings describe.

    Raises:
        SpecError: a value cannot be used.
    """
    namespace = settings.namespace
    return parse_spec(namespace.name, namespace.subnet, namespace.uplink, tuple(namespace.dns), router=namespace.router)


def require_root(command: str) -> None:
    """Make sure that root calls.

    Raises:
        NotPermittedError: the caller is not root.
    """
    if os.geteuid() != 0:
        raise NotPermittedError(f"{command} needs root: sudo speedmon {command}")


def _read_config() -> str:
    try:
        return Path(model.CONFIG_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _config_text(options: InstallOptions) -> str:
    """Return the configuration with what was chosen: a new file, or the existing one with what it lacks."""
    text = _read_config() or CONFIG_HEAD
    settings = _parse_settings(text)
    if not settings.database.url:
        text = edit.set_value(text, "database", "url", model.DATABASE_URL)
    if options.plan:
        download, upload = (int(rate) if rate.is_integer() else rate for rate in options.plan)
        text = edit.set_value(text, "plan", "download_mbps", download)
        text = edit.set_value(text, "plan", "upload_mbps", upload)
    return text


def _parse_settings(text: str) -> Settings:
    return load.parse_settings(text, model.CONFIG_FILE)


def is_local(path: str) -> bool:
    """Return whether a file is below /usr/local."""
    return path.startswith(f"{model.LOCAL_DIRECTORY}/")


def _notes(options: InstallOptions, machine: MachineState) -> list[str]:
    notes = []
    if not machine.local_writable:
        notes.append(
            f"{model.LOCAL_DIRECTORY} cannot be written, so there is no program ip4only, no manual page and no"
            " completion; all else works without them"
        )
    elif not machine.compiler:
        notes.append(
            "no C compiler works here, so there is no program ip4only; all else works without it"
            " (for it: apt install gcc libc6-dev, then run install again)"
        )
    new = [user for user in options.members if user not in (machine.group_members or ())]
    if new:
        notes.append(f"{', '.join(new)}: log out and in again to use speedmon without sudo")
    return notes
