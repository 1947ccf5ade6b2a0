"""Carries out the steps of an installation, and takes them back in reverse order when one fails."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from monitor.errors import InstallError
from monitor.install import model, steps
from monitor.install.observe import run_systemctl
from monitor.system.repairs import append_repair
from netns import setup
from netns.errors import NetnsError
from netns.launcher import group

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.install.steps import InstallStep
    from netns.spec import NamespaceSpec

TOOL_TIMEOUT_S = 120
UPGRADE_TIMEOUT_S = 3600


def apply_steps(
    planned: Sequence[InstallStep], spec: NamespaceSpec, on_step: Callable[[InstallStep], None] = lambda _: None
) -> None:
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


def undo_steps(done: Sequence[InstallStep], spec: NamespaceSpec) -> list[str]:
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


def apply_all_steps(
    planned: Sequence[InstallStep], spec: NamespaceSpec, on_step: Callable[[InstallStep], None]
) -> None:
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


def _carry_out(step: InstallStep, spec: NamespaceSpec) -> None:
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
def _perform(step: InstallStep) -> None:
    raise NotImplementedError(step)


@_perform.register
def _make_directory(step: steps.MakeFolder) -> None:
    path = Path(step.path)
    path.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, _user_id(step.user), _group_id(step.group))
        os.fchmod(descriptor, step.mode)
    finally:
        os.close(descriptor)


@_perform.register
def _remove_directory(step: steps.RemoveFolder) -> None:
    path = Path(step.path)
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


@_perform.register
def _write_file(step: steps.InstallFile) -> None:
    """Write a complete file beside the path, then rename it; its folder is root's."""
    path = Path(step.path)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.speedmon-install")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(step.content)
        file.flush()
        os.fchown(descriptor, 0, _group_id(step.group))
        os.fchmod(descriptor, step.mode)
        os.fsync(descriptor)
    unfinished.rename(path)


@_perform.register
def _remove_file(step: steps.UninstallFile) -> None:
    path = Path(step.path)
    path.with_name(f".{path.name}.speedmon-install").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


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
    os.chown(step.path, *owner)
    if not step.shared and step.path == model.STATE_DIRECTORY:
        Path(step.path).chmod(0o750)


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
def _create_group(step: steps.MakeGroup) -> None:
    group.ensure_group(step.group)


@_perform.register
def _delete_group(step: steps.RemoveGroup) -> None:
    group.remove_group(step.group)


@_perform.register
def _create_user(step: steps.CreateUser) -> None:
    group.create_user(step.user, step.group, step.home)


@_perform.register
def _delete_user(step: steps.DeleteUser) -> None:
    group.remove_user(step.user)


@_perform.register
def _add_member(step: steps.EnrolMember) -> None:
    group.add_member(step.user, step.group)


@_perform.register
def _remove_member(step: steps.DismissMember) -> None:
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
def _start_unit(step: steps.StartUnit) -> None:
    run_systemctl("start", step.unit)


def _user_id(user: str) -> int:
    return pwd.getpwnam(user).pw_uid


def _group_id(name: str) -> int:
    return grp.getgrnam(name).gr_gid
