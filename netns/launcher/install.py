"""Builds, inspects, installs and removes the launcher. A file that is not our launcher is never changed.

It is built from `ip4only.c` with the first C compiler found; musl-gcc comes first, for a smaller program.
`netns.launcher.marker` recognises it, and `netns.launcher.group` manages its group.
"""

from __future__ import annotations

import errno
import grp
import hashlib
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

from msgspec import Struct

from netns.errors import ForeignStateError, MissingToolError, NotPermittedError, StepError
from netns.launcher import marker
from netns.spec import temporary_path

LAUNCHER_MODE = 0o750
_NOSUID_FIX = "remount it with suid, or use --no-launcher and enter with sudo"

# Where it is built. A fixed name, so that the next call finds what a killed one left. Safe, because only root can write
# in /run, and set-up and teardown hold a lock.
BUILD_DIRECTORY = Path("/run/speedmon-launcher")

SOURCE = Path(__file__).with_name("ip4only.c")

# A static glibc program works too, but reads LD_LIBRARY_PATH and the like from the environment.
COMPILERS = ("musl-gcc", "cc", "gcc", "clang")
FLAGS = (
    "-std=c11",
    "-O2",
    "-fPIE",
    "-s",
    "-fstack-protector-strong",
    "-Wl,-z,relro,-z,now,-z,noexecstack",
)

# What gcc and clang make of a static program at an address of the kernel's choice; only glibc knows the last two.
STATIC_PIE_FLAGS = ("-static-pie", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2")

# The same by hand, because the wrapper musl-gcc takes -static-pie for a program that needs a loader.
MUSL_PIE_FLAGS = ("-static", "-nostartfiles", "-Wl,-pie,--no-dynamic-linker,-z,text")
MUSL_START_FILES = ("rcrt1.o", "crti.o", "crtn.o")
_MUSL_SPECS = re.compile(r"([^\s\"']+)/musl-gcc\.specs")

WARNING_FLAGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow")
COMPILE_TIMEOUT_S = 120
_COMPILER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LauncherState(Struct, frozen=True):
    """The file at a launcher's path. The last four fields are false for a file that is not ours."""

    present: bool = False
    ours: bool = False
    current: bool = False
    owner_ok: bool = False
    mode_ok: bool = False
    capability_ok: bool = False


def read_launcher_state(path: Path, group: str, name: str) -> LauncherState:
    """Return the state of the file at `path` as the launcher of namespace `name` for members of `group`."""
    try:
        file = path.lstat()
    except OSError:
        return LauncherState()
    if not _is_own_launcher(path):
        return LauncherState(present=True)
    return LauncherState(
        present=True,
        ours=True,
        current=marker.is_current_launcher(path, name, source_digest(name)),
        owner_ok=(file.st_uid, file.st_gid) == (0, _group_id(group)),
        mode_ok=stat.S_IMODE(file.st_mode) == LAUNCHER_MODE,
        capability_ok=marker.has_capability(path),
    )


def install_launcher(name: str, group: str, path: Path) -> None:
    """Build the launcher of namespace `name` and install it atomically, root-owned, for members of `group`.

    Raises:
        ForeignStateError: the file at `path` is not our launcher.
        MissingToolError: there is no C compiler.
        NotPermittedError: the caller is not root.
        StepError: it cannot be built or installed, for instance on a nosuid mount.
    """
    _refuse_foreign(path)
    try:
        program = _build_in_directory(name)
        _refuse_nosuid(path.parent)
        _write_launcher(program, path, group)
    except PermissionError as error:
        raise NotPermittedError(f"the launcher {path} needs root: {error.strerror}; run it with sudo") from None
    except OSError as error:
        raise StepError(_describe_install_error(path, error)) from None


def remove_launcher(path: Path) -> bool:
    """Remove the launcher, even a half-built one, but no file that is not ours; return whether there was one."""
    shutil.rmtree(BUILD_DIRECTORY, ignore_errors=True)
    Path(temporary_path(str(path))).unlink(missing_ok=True)
    if not _is_own_launcher(path):
        return False
    path.unlink(missing_ok=True)
    return True


def is_half_built(path: Path) -> bool:
    """Return whether a killed process left a half-built or half-installed launcher for `path`."""
    return BUILD_DIRECTORY.exists() or os.path.lexists(temporary_path(str(path)))


def _build_in_directory(name: str) -> bytes:
    shutil.rmtree(BUILD_DIRECTORY, ignore_errors=True)
    BUILD_DIRECTORY.mkdir(mode=0o700)
    try:
        return build_launcher(name, BUILD_DIRECTORY)
    finally:
        shutil.rmtree(BUILD_DIRECTORY, ignore_errors=True)


def _is_own_launcher(path: Path) -> bool:
    try:
        return marker.is_own_launcher(path)
    except PermissionError:
        return False


def _group_id(group: str) -> int | None:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def _refuse_foreign(path: Path) -> None:
    if os.path.lexists(path) and not _is_own_launcher(path):
        raise ForeignStateError(f"{path} is not speedmon's launcher and was not changed: move it away and try again")


def _refuse_nosuid(folder: Path) -> None:
    if os.statvfs(folder).f_flag & os.ST_NOSUID:
        raise StepError(f"{folder} is mounted nosuid, where file capabilities have no effect: {_NOSUID_FIX}")


def _write_launcher(program: bytes, path: Path, group: str) -> None:
    """Write a complete file beside `path`, then rename it."""
    group_id = _group_id(group)
    if group_id is None:
        raise StepError(f"there is no group {group} to give {path} to")
    temporary = Path(temporary_path(str(path)))
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(program)
            os.fchown(descriptor, 0, group_id)  # before setting the capability: a change of owner removes it
            os.fchmod(descriptor, LAUNCHER_MODE)
            os.setxattr(descriptor, marker.XATTR, marker.CAPABILITY)
            os.fsync(descriptor)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _describe_install_error(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOTSUP:
        return f"the filesystem of {path} does not support file capabilities; put /usr/local/bin on one that does"
    return f"cannot install the launcher {path}: {error.strerror}"


def find_compiler() -> str | None:
    """Return the path of the compiler that `build_launcher` would use, None if there is none."""
    path = f"{_COMPILER_PATH}:{os.environ.get('PATH', '')}"  # root runs it, so the system's own comes first
    paths = (shutil.which(compiler, path=path) for compiler in COMPILERS)
    return next(filter(None, paths), None)


def source_digest(name: str) -> str:
    """Return 16 hexadecimal digits that identify the source, flags and namespace `name` of a build."""
    identity = "\0".join((name, *FLAGS, *STATIC_PIE_FLAGS, *MUSL_PIE_FLAGS)).encode() + SOURCE.read_bytes()
    return hashlib.sha256(identity).hexdigest()[:16]


def build_launcher(name: str, folder: Path) -> bytes:
    """Return the launcher of namespace `name` as a static, position-independent program, built in `folder`.

    Raises:
        MissingToolError: there is no C compiler.
        StepError: the compiler failed; the first line it printed is in the message.
    """
    compiler = find_compiler()
    if compiler is None:
        raise MissingToolError("no C compiler, and the launcher needs one: apt install musl-tools")
    program = folder / "launcher"
    _run_compiler(compiler_command(compiler, name, program), folder)
    return program.read_bytes()


def compiler_command(compiler: str, name: str, program: Path) -> list[str]:
    """Return the command that compiles the launcher of namespace `name` into `program`."""
    fixed = (f'-DNS_NAME="{name}"', f'-DDIGEST="{source_digest(name)}"', "-o", str(program))
    if (folder := _find_musl(compiler)) is None:
        return [compiler, *FLAGS, *STATIC_PIE_FLAGS, *WARNING_FLAGS, *fixed, str(SOURCE)]
    first, second, last = (str(folder / file) for file in MUSL_START_FILES)
    return [compiler, *FLAGS, *MUSL_PIE_FLAGS, *WARNING_FLAGS, *fixed, first, second, str(SOURCE), last]


def _find_musl(compiler: str) -> Path | None:
    """Return the folder of musl's start files, which the script musl-gcc names; None for any other compiler."""
    if Path(compiler).name != "musl-gcc":
        return None
    specs = _MUSL_SPECS.search(Path(compiler).read_text(errors="replace"))
    return Path(specs[1]) if specs and (Path(specs[1]) / MUSL_START_FILES[0]).exists() else None


def _run_compiler(command: list[str], folder: Path) -> None:
    # Not the caller's environment: some variables change what a compiler reads and writes.
    environment = {"PATH": _COMPILER_PATH, "LC_ALL": "C", "TMPDIR": str(folder)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = lines[0] if lines else f"exit code {done.returncode}"
        raise StepError(
            f"{command[0]} cannot build the launcher: {reason}; apt install musl-tools installs one that can"
        )
