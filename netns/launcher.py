"""Inspects, installs and removes the launcher. A file that is not our launcher is never changed.

`netns.marker` recognises it, `netns.compiler` builds it, and `netns.group` manages its group.
"""

from __future__ import annotations

import errno
import grp
import os
import shutil
import stat
from pathlib import Path

from msgspec import Struct

from netns import marker
from netns.compiler import build, source_digest
from netns.errors import ForeignStateError, NotPermittedError, StepError
from netns.file_steps import beside

MODE = 0o750
_OR_NONE = "remount it with suid, or use --no-launcher and enter with sudo"
# Where it is built. A fixed name, so that the next call finds what a killed one left. Safe, because only root can write
# in /run, and set-up and teardown hold a lock.
WORKSHOP = Path("/run/speedmon-launcher")


class LauncherState(Struct, frozen=True):
    """The file at a launcher's path. The last four fields are false for a file that is not ours."""

    present: bool = False
    ours: bool = False
    current: bool = False
    owner_ok: bool = False
    mode_ok: bool = False
    capability_ok: bool = False


def state(path: Path, group: str, name: str) -> LauncherState:
    """Return the state of the file at `path` as the launcher of namespace `name` for members of `group`."""
    try:
        file = path.lstat()
    except OSError:
        return LauncherState()
    if not _is_ours(path):
        return LauncherState(present=True)
    return LauncherState(
        present=True,
        ours=True,
        current=marker.is_marked(path, name, source_digest(name)),
        owner_ok=(file.st_uid, file.st_gid) == (0, _group_id(group)),
        mode_ok=stat.S_IMODE(file.st_mode) == MODE,
        capability_ok=marker.has_capability(path),
    )


def place(name: str, group: str, path: Path) -> None:
    """Build the launcher of namespace `name` and install it atomically, root-owned, for members of `group`.

    Raises:
        ForeignStateError: the file at `path` is not our launcher.
        MissingToolError: there is no C compiler.
        NotPermittedError: the caller is not root.
        StepError: it cannot be built or installed, for instance on a nosuid mount.
    """
    _refuse_foreign(path)
    try:
        program = _built(name)
        _refuse_nosuid(path.parent)
        _install(program, path, group)
    except PermissionError as error:
        raise NotPermittedError(f"the launcher {path} needs root: {error.strerror}; run it with sudo") from None
    except OSError as error:
        raise StepError(_why_not_installed(path, error)) from None


def remove(path: Path) -> bool:
    """Remove the launcher, even a half-built one, but no file that is not ours; return whether there was one."""
    shutil.rmtree(WORKSHOP, ignore_errors=True)
    Path(beside(str(path))).unlink(missing_ok=True)
    if not _is_ours(path):
        return False
    path.unlink(missing_ok=True)
    return True


def is_half_built(path: Path) -> bool:
    """Return whether a killed process left a half-built or half-installed launcher for `path`."""
    return WORKSHOP.exists() or os.path.lexists(beside(str(path)))


def _built(name: str) -> bytes:
    shutil.rmtree(WORKSHOP, ignore_errors=True)
    WORKSHOP.mkdir(mode=0o700)
    try:
        return build(name, WORKSHOP)
    finally:
        shutil.rmtree(WORKSHOP, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    try:
        return marker.is_ours(path)
    except PermissionError:
        return False


def _group_id(group: str) -> int | None:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def _refuse_foreign(path: Path) -> None:
    if os.path.lexists(path) and not _is_ours(path):
        raise ForeignStateError(f"{path} is not speedmon's launcher and was not changed: move it away and try again")


def _refuse_nosuid(folder: Path) -> None:
    if os.statvfs(folder).f_flag & os.ST_NOSUID:
        raise StepError(f"{folder} is mounted nosuid, where file capabilities have no effect: {_OR_NONE}")


def _install(program: bytes, path: Path, group: str) -> None:
    """Write a complete file beside `path`, then rename it."""
    group_id = _group_id(group)
    if group_id is None:
        raise StepError(f"there is no group {group} to give {path} to")
    temporary = Path(beside(str(path)))
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor has no Path
            file.write(program)
            os.fchown(descriptor, 0, group_id)  # before setting the capability: a change of owner removes it
            os.fchmod(descriptor, MODE)
            os.setxattr(descriptor, marker.XATTR, marker.CAPABILITY)
            os.fsync(descriptor)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _why_not_installed(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOTSUP:
        return f"the filesystem of {path} does not support file capabilities; put /usr/local/bin on one that does"
    return f"cannot install the launcher {path}: {error.strerror}"
