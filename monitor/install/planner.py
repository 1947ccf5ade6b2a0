"""Plans an installation and its removal: from the request and the state of the machine to an ordered list of steps.

Pure. What is already as it should be needs no step, so that a second call plans nothing, and a call after a kill plans
what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from monitor.errors import UsageError
from monitor.install import model, steps, units
from monitor.install.model import GROUP, USER, SchedulerKind
from netns.plan import host_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from monitor.install.model import FileState, InstalledProgram, InstallRecord, InstallRequest, MachineState
    from netns.plan.steps import Step

# A test by hand, with all its retries, may go on that long beside a removal.
TEST_WAIT_S = 300


def plan_install(
    request: InstallRequest, machine: MachineState, files: Mapping[str, str], program: InstalledProgram
) -> tuple[Step, ...]:
    """Return the steps that are left to do, in order.

    Args:
        request: what the user asked for.
        machine: the machine as it is.
        files: the files to write, by path: units, crontab, configuration, completions.
        program: the program that the units start.
    """
    changed = dict(_changed_files(files, machine))
    is_replaced = _is_replaced(changed, machine, program)
    return (
        *_plan_record(request, machine, program),
        *_plan_accounts(request, machine),
        *_plan_directories(machine, www=request.scheduler is SchedulerKind.CRON),
        *_plan_removed_units(request.scheduler, machine),
        *(steps.StopUnit(unit) for unit in _busy_units(machine) if is_replaced),
        *_plan_parents(machine),
        *_plan_files(changed, machine),
        # Data that an earlier installation left belongs to root.
        *([steps.GiveTree(model.STATE_DIRECTORY, USER, GROUP)] if machine.strays else []),
        *_plan_database(machine, program),
        *(
            [steps.SetUpNamespace(machine.compiler, existed=machine.namespace_exists)]
            if machine.namespace_changes
            else []
        ),
        *([steps.ReloadUnits()] if _unit_names(changed) or _removed_units(request.scheduler, machine) else []),
        *_plan_services(request.scheduler, machine, stopped=is_replaced),
    )


def plan_uninstall(machine: MachineState, *, purge: bool) -> tuple[Step, ...]:
    """Return the steps that remove an installation: all but data and configuration, with `purge` these too."""
    record = machine.record or model.InstallRecord()
    kept = (f"{model.CONFIG_DIRECTORY}/", f"{model.STATE_DIRECTORY}/")
    present = sorted(path for path in machine.files if not path.startswith(kept))
    trees = (model.CACHE_DIRECTORY, model.LOG_DIRECTORY, model.RUNTIME_DIRECTORY)
    has_units = any(path.startswith(model.UNIT_DIRECTORY) for path in present)
    return (
        *(_plan_end_of_units(machine) if machine.systemd and (has_units or machine.running) else ()),
        *([steps.AwaitTest(TEST_WAIT_S, model.TEST_LOCK_FILES[0])] if machine.is_testing else []),
        *(steps.UninstallFile(path) for path in present),
        *(host_steps.RemoveDirectory(path) for path in _wants_folders(present)),
        *(steps.RemoveTree(path) for path in machine.overrides if purge),
        *([steps.ReloadUnits()] if has_units and machine.systemd else []),
        *(steps.RemoveTree(path) for path in trees if path in machine.directories),
        *([steps.TearDownNamespace()] if machine.namespace_exists else []),
        *_plan_kept_data(machine, purge=purge),
        *_plan_removed_accounts(machine, record),
        *([steps.UninstallFile(model.RECORD_FILE)] if model.RECORD_FILE in machine.files and not purge else []),
        *(host_steps.RemoveDirectory(path) for path in record.directories if path in machine.directories),
    )


def _wants_folders(paths: Sequence[str]) -> list[str]:
    """Return the folders of links that enable units: systemd, too, removes one with its last link."""
    return sorted({folder for path in paths if (folder := path.rpartition("/")[0]).endswith(".wants")})


def _plan_end_of_units(machine: MachineState) -> Iterator[Step]:
    """Plan the end of what starts tests, then of the tests themselves."""
    for unit in units.STOP_ORDER:
        if unit == units.ANSWERS:
            yield steps.StopUnit(unit)
        elif unit in machine.enabled and f"{model.UNIT_DIRECTORY}/{unit}" in machine.files:
            yield steps.DisableUnit(unit)
        elif unit in machine.running:
            yield steps.StopUnit(unit)
    yield steps.ForgetFailures(units.STOP_ORDER)


def choose_scheduler(asked: SchedulerKind | None, machine: MachineState) -> SchedulerKind:
    """Return the scheduler that was asked for, else the installed one, else the usual one of this machine.

    Raises:
        UsageError: the machine has no systemd, and the scheduler needs it.
    """
    needs_systemd = {SchedulerKind.SERVE, SchedulerKind.TIMER}
    if asked in needs_systemd and not machine.systemd:
        raise UsageError(f"--scheduler {asked} needs systemd, which does not run this machine: use --scheduler cron")
    if asked:
        return asked
    if machine.record and (machine.systemd or machine.record.scheduler not in needs_systemd):
        return machine.record.scheduler
    return SchedulerKind.SERVE if machine.systemd else SchedulerKind.CRON


def next_record(request: InstallRequest, machine: MachineState, program: InstalledProgram) -> InstallRecord:
    """Return the record of what is ours once all steps are done; valid before and during them too."""
    before = machine.record or model.InstallRecord()
    members = {user for user in request.members if user not in (machine.group_members or ())}
    return replace(
        before,
        version=program.version,
        scheduler=request.scheduler,
        made_user=before.made_user or machine.user_group is None,
        made_group=before.made_group or machine.group_members is None or machine.namespace_made_group,
        members=tuple(sorted({*before.members, *members})),
        directories=tuple(sorted({*before.directories, *_missing_parents(machine)}, reverse=True)),
    )


def _plan_record(request: InstallRequest, machine: MachineState, program: InstalledProgram) -> Iterator[Step]:
    """Plan the record before anything else: a killed installation must still know what it made."""
    record = next_record(request, machine, program)
    yield from _plan_directory(model.CONFIG_DIRECTORY, model.CONFIG_DIRECTORY_MODE, "root", "root", machine)
    if record != machine.record:
        current = machine.files.get(model.RECORD_FILE)
        yield steps.InstallFile(model.RECORD_FILE, encode_record(record), previous=current.content if current else None)


def encode_record(record: InstallRecord) -> str:
    """Return the text of the record's file."""
    return msgspec.json.format(msgspec.json.encode(record)).decode() + "\n"


def _plan_accounts(request: InstallRequest, machine: MachineState) -> Iterator[Step]:
    if machine.group_members is None:
        yield host_steps.CreateGroup(GROUP)
    if machine.user_group is None:
        yield steps.CreateUser(USER, GROUP, model.STATE_DIRECTORY)
    for user in request.members:
        if user not in (machine.group_members or ()):
            yield host_steps.AddMember(user, GROUP)


def _plan_directories(machine: MachineState, *, www: bool) -> Iterator[Step]:
    yield from _plan_directory(model.STATE_DIRECTORY, model.STATE_MODE, USER, GROUP, machine)
    if www:
        yield from _plan_directory(f"{model.STATE_DIRECTORY}/www", model.STATE_MODE, USER, GROUP, machine)
    yield from _plan_directory(model.LOG_DIRECTORY, 0o755, "root", "root", machine)


def _plan_directory(path: str, mode: int, user: str, group: str, machine: MachineState) -> Iterator[Step]:
    current = machine.directories.get(path)
    if current is None or (current.mode, current.user, current.group) != (mode, user, group):
        yield steps.MakeFolder(path, mode, user, group, existed=current is not None)


def _plan_database(machine: MachineState, program: InstalledProgram) -> Iterator[Step]:
    if not machine.schema_current:
        file = model.DATABASE_FILE
        yield steps.UpgradeDatabase(USER, GROUP, program.command, file, existed=file in machine.files)


def _plan_parents(machine: MachineState) -> Iterator[Step]:
    for path in sorted(_missing_parents(machine)):
        yield steps.MakeFolder(path, 0o755)


def _missing_parents(machine: MachineState) -> set[str]:
    """Return the folders that the manual and the completions lack, which belong to no other program yet."""
    wanted = (model.MANUAL_FILE, *model.COMPLETION_FILES.values()) if machine.local_writable else ()
    return {parent for path in wanted for parent in _parents(path) if parent not in machine.directories}


def _plan_removed_units(scheduler: SchedulerKind, machine: MachineState) -> Iterator[Step]:
    """Plan the end of what another scheduler needs: exactly one runs."""
    for unit in units.STOP_ORDER:
        if unit not in units.ENABLED[scheduler] and unit in machine.enabled:
            yield steps.DisableUnit(unit)
        elif unit not in units.UNITS[scheduler] and unit in machine.running:
            yield steps.StopUnit(unit)
    for path in _removed_units(scheduler, machine):
        yield steps.UninstallFile(path, machine.files[path].content)
    if scheduler is not SchedulerKind.CRON and model.CRON_FILE in machine.files:
        yield steps.UninstallFile(model.CRON_FILE, machine.files[model.CRON_FILE].content)


def _removed_units(scheduler: SchedulerKind, machine: MachineState) -> list[str]:
    unwanted = (unit for unit in units.ALL_UNITS if unit not in units.UNITS[scheduler])
    return [path for unit in unwanted if (path := f"{model.UNIT_DIRECTORY}/{unit}") in machine.files]


def _changed_files(files: Mapping[str, str], machine: MachineState) -> Iterator[tuple[str, str]]:
    for path, content in files.items():
        current = machine.files.get(path)
        if current is None or current.content != content or not _has_rights(path, current):
            yield path, content


def _has_rights(path: str, current: FileState) -> bool:
    return (current.mode, current.user, current.group) == (file_mode(path), "root", file_group(path))


def file_mode(path: str) -> int:
    """Return the mode of a file that is written."""
    return model.CONFIG_MODE if path == model.CONFIG_FILE else 0o644


def file_group(path: str) -> str:
    """Return the group of a file that is written."""
    return GROUP if path == model.CONFIG_FILE else "root"


def _plan_files(changed: Mapping[str, str], machine: MachineState) -> Iterator[Step]:
    for path, content in changed.items():
        current = machine.files.get(path)
        yield steps.InstallFile(
            path, content, file_mode(path), file_group(path), previous=current.content if current else None
        )


def _unit_names(paths: Mapping[str, str]) -> set[str]:
    folder = f"{model.UNIT_DIRECTORY}/"
    return {path.removeprefix(folder) for path in paths if path.startswith(folder)}


def _is_replaced(changed: Mapping[str, str], machine: MachineState, program: InstalledProgram) -> bool:
    """Return whether what runs now would go on with an old program, unit, configuration or database."""
    has_other_version = machine.record is not None and machine.record.version != program.version
    return has_other_version or not machine.schema_current or bool(changed.keys() & machine.files.keys())


def _busy_units(machine: MachineState) -> list[str]:
    """Return what may hold the database or run the old program, most dependent first."""
    return [unit for unit in (units.SERVE, units.TIMER, units.SOCKET) if unit in machine.active]


def _plan_services(scheduler: SchedulerKind, machine: MachineState, *, stopped: bool) -> Iterator[Step]:
    for unit in units.ENABLED[scheduler]:
        if unit not in machine.enabled:
            yield steps.EnableUnit(unit)
    for unit in units.ENABLED[scheduler]:
        if unit == units.NETNS:
            continue  # a oneshot, whose work is done above
        if unit in machine.stale and not stopped:
            yield steps.StopUnit(unit)
        if unit not in machine.active or stopped or unit in machine.stale:
            yield steps.StartUnit(unit)


def _plan_kept_data(machine: MachineState, *, purge: bool) -> Iterator[Step]:
    """Plan what becomes of data and configuration: they go, or root keeps them, as their owner goes."""
    for path in (model.STATE_DIRECTORY, model.CONFIG_DIRECTORY):
        if path not in machine.directories:
            continue
        if purge:
            yield steps.RemoveTree(path)
        elif machine.user_group is not None or machine.group_members is not None:
            yield steps.GiveTree(path, "root", "root", shared=False)


def _plan_removed_accounts(machine: MachineState, record: InstallRecord) -> Iterator[Step]:
    if machine.user_group is not None and record.made_user:
        yield steps.DeleteUser(USER)
    if machine.group_members is not None and record.made_group:
        yield host_steps.DeleteGroup(GROUP)
        return
    for user in record.members:
        if user in (machine.group_members or ()):
            yield host_steps.RemoveMember(user, GROUP)


def _parents(path: str) -> Iterator[str]:
    """Yield the folders above a file, below /usr/local, the nearest first."""
    parent = path.rpartition("/")[0]
    while parent not in {"/usr/local", "/usr/local/share", ""}:
        yield parent
        parent = parent.rpartition("/")[0]
