"""The way in for root without a launcher: `python -I -m netns.inside NAME -- COMMAND…`.

The same sequence as `ip4only.c`, with the same exit codes (125 it refused, 126/127 as a shell); change both. Whoever
holds cap_sys_admin may use it: root, also of a user namespace. The command keeps its user and loses every capability.
It imports little, because it is on the way of each test that root runs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import sys

from netns.handle import handle_path, is_network_namespace, open_handle

TYPE_CHECKING = False  # typing itself would cost 6 ms
if TYPE_CHECKING:
    from typing import NoReturn

MEND = "run: sudo speedmon setup-netns"
USAGE = "usage: python -I -m netns.inside NAME -- COMMAND [ARGUMENT...]"
REFUSED = 125
TARGETS = ("/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts", "/etc/gai.conf")

# From linux/sched.h, mount.h, prctl.h and capability.h; numbers of calls that are the same on every architecture.
_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x00020000
_NOSUID, _NODEV, _NOEXEC, _REC, _SLAVE = 2, 4, 8, 1 << 14, 1 << 19
_OPEN_TREE, _MOVE_MOUNT, _CLOSE_RANGE = 428, 429, 436
_TREE_CLONE, _EMPTY_PATH, _MOVE_FROM_DESCRIPTOR, _AT_FDCWD = 1, 0x1000, 4, -100
_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _RefusedError(Exception):
    """The command was not started; the message says why."""


def main(argv: list[str]) -> NoReturn:
    """Become the command; on refusal write one line and exit with 125."""
    _complete_standard_streams()
    if len(argv) < 3 or argv[1] != "--":  # noqa: PLR2004  NAME -- COMMAND
        _say(USAGE)
        os._exit(REFUSED)
    name, command = argv[0], argv[2:]
    try:
        _enter(name)
    except _RefusedError as refusal:
        _say(f"{name}: {refusal}")
        os._exit(REFUSED)
    _become(name, command)


def _enter(name: str) -> None:
    if _libc.syscall(_CLOSE_RANGE, 3, ctypes.c_uint(0xFFFFFFFF), 0) != 0:
        raise _RefusedError(f"cannot close inherited descriptors: {_error()}; Linux 5.9 or later is needed")
    _join_namespace(name)
    _make_mounts_private()
    _take_prepared_files(f"/etc/netns/{name}")
    _hide_name_cache()
    _drop_every_capability()


def _complete_standard_streams() -> None:
    """Open what is closed of 0, 1 and 2 on /dev/null, so that nothing opened later takes its place."""
    while (descriptor := os.open("/dev/null", os.O_RDWR)) < 3:  # noqa: PLR2004  stderr is 2
        os.set_inheritable(descriptor, True)  # noqa: FBT003  its only argument
    os.close(descriptor)


def _join_namespace(name: str) -> None:
    path = handle_path(name)
    try:
        descriptor = open_handle(name)
    except OSError as error:
        raise _RefusedError(f"{path}: {error.strerror}; {MEND}") from None
    if not is_network_namespace(descriptor):
        raise _RefusedError(f"{path}: not a network namespace; {MEND}")
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise _RefusedError(f"cannot join {path}: {_error()}; only root can, and others by the launcher")


def _make_mounts_private() -> None:
    if _libc.unshare(_CLONE_NEWNS) != 0 or _libc.mount(b"", b"/", None, ctypes.c_ulong(_SLAVE | _REC), None) != 0:
        raise _RefusedError(f"cannot have mounts of my own: {_error()}")


def _take_prepared_files(folder: str) -> None:
    try:
        there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _RefusedError(f"{folder}: {error.strerror}; {MEND}") from None
    _require_root_alone(os.fstat(there), folder, stat.S_IFDIR)
    for target in TARGETS:
        try:
            file = os.open(os.path.basename(target), os.O_PATH | os.O_NOFOLLOW, dir_fd=there)  # noqa: PTH119  light
        except FileNotFoundError:
            continue
        _require_root_alone(os.fstat(file), f"{folder}/{os.path.basename(target)}", stat.S_IFREG)  # noqa: PTH119  light
        _mount_over(file, target)


def _require_root_alone(found: os.stat_result, path: str, kind: int) -> None:
    if stat.S_IFMT(found.st_mode) != kind or found.st_uid != 0 or found.st_mode & 0o022:
        what = "directory" if kind == stat.S_IFDIR else "plain file"
        raise _RefusedError(f"{path}: must be a {what} that only root can write; {MEND}")


def _mount_over(file: int, target: str) -> None:
    """Mount on the name itself, even a symlink: a mount on its target is lost when the host renames a file there.

    What the host does not have need not be replaced, but for resolv.conf: without it, 127.0.0.1 would be asked.
    """
    tree = _libc.syscall(_OPEN_TREE, file, b"", _TREE_CLONE | _EMPTY_PATH | os.O_CLOEXEC)
    move = (_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_FROM_DESCRIPTOR)
    if tree >= 0 and _libc.syscall(*move) == 0:
        return
    if target == TARGETS[0] or ctypes.get_errno() != errno.ENOENT:
        raise _RefusedError(f"{target}: {_error()}; it must exist, to be replaced inside the namespace")


def _hide_name_cache() -> None:
    """Hide the socket of nscd, which answers from the host's own network."""
    flags = ctypes.c_ulong(_NOSUID | _NODEV | _NOEXEC)
    if os.path.isdir("/run/nscd") and _libc.mount(b"none", b"/run/nscd", b"tmpfs", flags, b"size=4k,mode=755") != 0:  # noqa: PTH112  light
        raise _RefusedError(f"cannot hide /run/nscd: {_error()}")


def _drop_every_capability() -> None:
    # The bounding set stays: without it, a program with a file capability, such as ping, would not start at all.
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none, left = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)(*[1] * 6)
    if _libc.prctl(_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0) != 0 or _libc.capset(header, none) != 0:
        raise _RefusedError(f"cannot drop privileges: {_error()}")
    if _libc.capget(header, left) != 0 or any(left):
        raise _RefusedError("privileges were not dropped; this is a fault of the system")


def _become(name: str, command: list[str]) -> NoReturn:
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and a program inherits what is ignored
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606  no shell is the point
    except OSError as error:
        _say(f"{name}: {command[0]}: {error.strerror}")
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _error() -> str:
    return os.strerror(ctypes.get_errno())


def _say(line: str) -> None:
    os.write(2, f"{line}\n".encode(errors="surrogateescape"))


if __name__ == "__main__":
    main(sys.argv[1:])
