"""Carries out the steps of an installation, and takes them back in reverse order when one fails.

Files are written and removed by `monitor.system.files`. Only what gives folders and trees to another user, or removes
them, is done here, through descriptors.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from contextlib import suppress
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from monitor.errors import InstallError
from monitor.install import model, steps
from monitor.install.observe import is_testing, run_systemctl
from monitor.system import files
from monitor.system.repairs import append_repair
from netns import setup
from netns.errors import NetnsError
from netns.launcher import group
from netns.plan import host_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from netns.plan.steps import Step
    from netns.spec import NamespaceSpec

UPGRADE_TIMEOUT_S = 3600
START_TIMEOUT_S = 360
TOOL_TIMEOUT_S = 60
POLL_S = 0.2
GRACE_S = 10


def apply_steps(planned: Sequence[Step], spec: NamespaceSpec, on_step: Callable[[Step], None] = lambda _: None) -> None:
    """Carry out steps in order; when one fails, take back those before it.

    Raises:
        InstallError: a step failed; the message says which, why, and what could not be taken back.
    """
    for index, step in enumerate(planned):
        on_step(step)
        try:
            _carry_out(step, spec)
        except (InstallError, NetnsError, OSError, subprocess.SubprocessError) as error:
            left = undo_steps(planned[: index + 1], spec)
            taken_back = f"; could not be undone: {'; '.join(left)}" if left else "; what was done before it was undone"
            reason = str(error) if isinstance(error, InstallError | NetnsError) else f"{step}: {error}"
            raise InstallError(f"{reason}{taken_back}") from error


def undo_steps(done: Sequence[Step], spec: NamespaceSpec) -> list[str]:
    """Take steps back, the last one first; return what could not be, in words."""
    failures = []
    for step in reversed(done):
        if (undo := step.undo) is None:
            continue
        try:
            _carry_out(undo, spec)
        except (InstallError, NetnsError, OSError, subprocess.SubprocessError) as error:
            failures.append(f"{undo}: {error}")
    return failures


def apply_all_steps(planned: Sequence[Step], spec: NamespaceSpec, on_step: Callable[[Step], None]) -> None:
    """Carry out steps in order, all of them even if some fail, as a removal does.

    Raises:
        InstallError: some failed; the message names them.
    """
    failures = []
    for step in planned:
        on_step(step)
        try:
            _carry_out(step, spec)
        except (InstallError, NetnsError, OSError, subprocess.SubprocessError) as error:
            failures.append(str(error))
    if failures:
        raise InstallError("; ".join(failures))


def _carry_out(step: Step, spec: NamespaceSpec) -> None:
    if isinstance(step, steps.SetUpNamespace):
        _set_up_namespace(spec, launcher=step.launcher)
    elif isinstance(step, steps.TearDownNamespace):
        setup.tear_down_namespace(spec)
    else:
        _perform(step)


def _set_up_namespace(spec: NamespaceSpec, *, launcher: bool) -> None:
    done = setup.set_up_namespace(replace(spec, launcher=launcher))
    if done.steps:
        append_repair(Path(model.REPAIR_LOG), [str(step) for step in done.steps], "install")


@singledispatch
def _perform(step: Step) -> None:
    raise NotImplementedError(step)


@_perform.register
def _make_directory(step: steps.MakeFolder) -> None:
    path = Path(step.path)
    files.make_folder(path, 0o700)
    _set_rights(path, (_user_id(step.user), _group_id(step.group)), step.mode)


@_perform.register
def _remove_directory(step: host_steps.RemoveDirectory) -> None:
    path = Path(step.path)
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


@_perform.register
def _write_file(step: steps.InstallFile) -> None:
    path = Path(step.path)
    files.make_folder(path.parent, 0o755)
    remove_unfinished(path)
    files.replace_file(path, step.content.encode(), mode=step.mode, group=_group_id(step.group))


def remove_unfinished(path: Path) -> None:
    """Remove what a killed installation left beside a file; no two installations run at once."""
    for unfinished in files.find_unfinished(path):
        files.remove_file(unfinished)


@_perform.register
def _remove_file(step: steps.UninstallFile) -> None:
    path = Path(step.path)
    remove_unfinished(path)
    files.remove_file(path)


@_perform.register
def _remove_tree(step: steps.RemoveTree) -> None:
    # rmtree does not follow links, even if somebody puts them there meanwhile.
    if Path(step.path).exists():
        shutil.rmtree(step.path)


@_perform.register
def _give_tree(step: steps.GiveTree) -> None:
    """Change every file through a descriptor: whoever owns the folder may put links there meanwhile."""
    owner = (_user_id(step.user), _group_id(step.group))
    for folder, folders, names, descriptor in os.fwalk(step.path):
        for name in folders:
            os.chown(name, *owner, dir_fd=descriptor, follow_symlinks=False)
        for name in names:
            _give_file(name, descriptor, owner, None if not step.shared else f"{folder}/{name}")
    _set_rights(Path(step.path), owner, 0o750 if not step.shared and step.path == model.STATE_DIRECTORY else None)


def _set_rights(folder: Path, owner: tuple[int, int], mode: int | None) -> None:
    """Set owner and mode of a folder by descriptor; no link is followed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, *owner)
        if mode is not None:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _give_file(name: str, folder: int, owner: tuple[int, int], shared_path: str | None) -> None:
    """Give a regular file away and set its mode; `shared_path` is its path where the group shares it."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:  # a link or a socket, which has no content to share
        os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
        return
    try:
        state = os.fstat(descriptor)
        if stat.S_ISREG(state.st_mode) and state.st_nlink == 1:
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, _new_mode(stat.S_IMODE(state.st_mode), shared_path))
    finally:
        os.close(descriptor)


def _new_mode(mode: int, shared_path: str | None) -> int:
    if shared_path is None:
        return mode & ~0o022
    is_database = shared_path.startswith(model.DATABASE_FILE)
    return model.STATE_FILE_MODE if is_database else mode | (mode & 0o600) >> 3


@_perform.register
def _create_group(step: host_steps.CreateGroup) -> None:
    group.ensure_group(step.group)


@_perform.register
def _delete_group(step: host_steps.DeleteGroup) -> None:
    group.remove_group(step.group)


@_perform.register
def _create_user(step: steps.CreateUser) -> None:
    group.create_user(step.user, step.group, step.home)


@_perform.register
def _delete_user(step: steps.DeleteUser) -> None:
    """Such as a notification that is being sent: it may outlive its test, but not its user."""
    with suppress(KeyError):
        _end_processes(_user_id(step.user))
    group.remove_user(step.user)


def _end_processes(uid: int) -> None:
    """End what a user still runs on this machine: SIGTERM, after a while SIGKILL.

    Raises:
        InstallError: a process is left that the kernel does not end, such as one that waits for a dead disk.
    """
    deadline = time.monotonic() + GRACE_S
    sent = signal.SIGTERM
    while pids := list(find_processes(uid)):
        if time.monotonic() > deadline + GRACE_S:
            raise InstallError(f"process {pids[0]} of user {uid} does not end: restart the machine, then repeat this")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, sent)
        time.sleep(POLL_S)
        sent = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL


def find_processes(uid: int) -> Iterator[int]:
    """Yield a user's processes, but for those in containers, which may share the number."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdecimal() and folder.stat().st_uid == uid and (folder / "root").samefile("/"):
                yield int(folder.name)


@_perform.register
def _add_member(step: host_steps.AddMember) -> None:
    group.add_member(step.user, step.group)


@_perform.register
def _remove_member(step: host_steps.RemoveMember) -> None:
    group.remove_member(step.user, step.group)


@_perform.register
def _upgrade_database(step: steps.UpgradeDatabase) -> None:
    """Run `db upgrade` as the service's user, which makes the file too: root follows nothing in that folder."""
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": model.STATE_DIRECTORY,
        "LC_ALL": "C.UTF-8",
        "STATE_DIRECTORY": model.STATE_DIRECTORY,
    }
    done = subprocess.run(
        [step.command, "db", "upgrade"],
        env=environment,
        cwd="/",
        user=_user_id(step.user),
        group=_group_id(step.group),
        extra_groups=[],
        umask=0o007,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=UPGRADE_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise InstallError(lines[-1].removeprefix("speedmon: "))
    _share_database()


def _share_database() -> None:
    """Let the group write to the database, and to those of its files that SQLite makes later."""
    descriptor = os.open(model.DATABASE_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, model.STATE_FILE_MODE)
    finally:
        os.close(descriptor)


@_perform.register
def _reload_units(_step: steps.ReloadUnits) -> None:
    run_systemctl("daemon-reload")


@_perform.register
def _enable_unit(step: steps.EnableUnit) -> None:
    run_systemctl("--quiet", "enable", step.unit)


@_perform.register
def _disable_unit(step: steps.DisableUnit) -> None:
    run_systemctl("--quiet", "disable", "--now", step.unit)


@_perform.register
def _stop_unit(step: steps.StopUnit) -> None:
    run_systemctl("stop", step.unit)


@_perform.register
def _forget_failures(step: steps.ForgetFailures) -> None:
    """One by one, as systemctl fails for a unit that it does not know."""
    for unit in step.units:
        with suppress(InstallError):
            run_systemctl("reset-failed", unit)


@_perform.register
def await_test(step: steps.AwaitTest) -> None:
    """Wait until no test runs.

    Raises:
        InstallError: one still runs after the step's time.
    """
    deadline = time.monotonic() + step.timeout_s
    while is_testing():
        if time.monotonic() > deadline:
            raise InstallError(f"a test still runs after {step.timeout_s} seconds: end it, then run uninstall again")
        time.sleep(POLL_S)


@_perform.register
def _start_unit(step: steps.StartUnit) -> None:
    """Start a unit; where that fails, its own last words say more than those of systemctl."""
    try:
        run_systemctl("start", step.unit, timeout_s=START_TIMEOUT_S)
    except InstallError as error:
        if words := _last_words(step.unit):
            raise InstallError(f"{step.unit} does not start: {words}") from error
        raise


def _last_words(unit: str) -> str:
    """Return what the program of a unit wrote last, without its name; empty where that is not known."""
    command = ["journalctl", "--unit", unit, "--identifier", "speedmon", "--lines", "1", "--output", "cat", "--quiet"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().removeprefix("speedmon: ")


def _user_id(user: str) -> int:
    return pwd.getpwnam(user).pw_uid


def _group_id(name: str) -> int:
    return grp.getgrnam(name).gr_gid
