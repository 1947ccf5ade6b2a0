"""Enters the namespace as root without the launcher.

`python -I -m netns.entry.inside [--die-with-parent] [--as UID:GID] NAME -- COMMAND…` does the same, with the same exit
codes, as `ip4only.c` (125 refused, 126/127 as in a shell): change both together. It needs cap_sys_admin, which root
has, also in a user namespace. The command keeps its user, or gets the user that `--as` names with all of that user's
groups, and loses every capability; with `--die-with-parent`, as engines are started, its bounding set too.
`netns.entry.pasta_inside` uses the same steps. It runs before each test that root starts, so it imports little.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import sys

from netns.kernel import privileges
from netns.kernel.handle import handle_path, is_network_namespace, open_handle

TYPE_CHECKING = False  # importing typing would cost 6 ms
if TYPE_CHECKING:
    from typing import NoReturn

    from netns.kernel.privileges import User

FIX = "run: sudo speedmon setup-netns"

USAGE = "usage: python -I -m netns.entry.inside [--die-with-parent] [--as UID:GID] NAME -- COMMAND [ARGUMENT...]"
DIE_WITH_PARENT = "--die-with-parent"

_NO_RESOLVER = "{}: there is no {}/resolv.conf, so the name servers are the host's; " + FIX
EXIT_REFUSED = 125
_STDERR = 2
REPLACED_FILES = ("/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts", "/etc/gai.conf")

# From linux/sched.h and mount.h; these syscall numbers are the same on every architecture.
_CLONE_NEWNET, _CLONE_NEWNS, _CLONE_NEWUSER = 0x40000000, 0x00020000, 0x10000000
_NOSUID, _NODEV, _NOEXEC, _REC, _SLAVE = 2, 4, 8, 1 << 14, 1 << 19
_OPEN_TREE, _MOVE_MOUNT, _CLOSE_RANGE = 428, 429, 436
_TREE_CLONE, _EMPTY_PATH, _MOVE_FROM_DESCRIPTOR, _AT_FDCWD = 1, 0x1000, 4, -100

_libc = privileges.libc


class RefusedError(Exception):
    """The command was not started; the message gives the reason."""


def main(argv: list[str]) -> NoReturn:
    """Replace this process by the command; on refusal write one line and exit with 125."""
    parent = os.getppid()
    complete_standard_streams()
    tied, argv = argv[:1] == [DIE_WITH_PARENT], argv[1:] if argv[:1] == [DIE_WITH_PARENT] else argv
    identity, arguments = (argv[1], argv[2:]) if argv[:1] == ["--as"] and len(argv) > 1 else (None, argv)
    if arguments[1:2] != ["--"] or not arguments[2:]:
        write_line(USAGE)
        os._exit(EXIT_REFUSED)
    name, command = arguments[0], arguments[2:]
    try:
        user = _parse_user(identity) if identity else None
        _enter_namespace(name)
        give_up_privileges(user, tied_to=parent if tied else None)
    except RefusedError as refusal:
        write_line(f"{name}: {refusal}")
        os._exit(EXIT_REFUSED)
    exec_command(name, command)


def _enter_namespace(name: str) -> None:
    if _libc.syscall(_CLOSE_RANGE, 3, ctypes.c_uint(0xFFFFFFFF), 0) != 0:
        raise RefusedError(f"cannot close inherited descriptors: {_last_error()}; Linux 5.9 or later is needed")
    _join_namespace(name)
    make_mounts_private()
    _mount_prepared_files(f"/etc/netns/{name}")
    hide_name_cache()


def complete_standard_streams() -> None:
    """Open those of descriptors 0, 1 and 2 that are closed on /dev/null, so that no later file gets their number."""
    while (descriptor := os.open("/dev/null", os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)  # noqa: FBT003  its only argument
    os.close(descriptor)


def _join_namespace(name: str) -> None:
    path = handle_path(name)
    try:
        descriptor = open_handle(name)
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}; {_fix_for(error.errno)}") from None
    if not is_network_namespace(descriptor):
        raise RefusedError(f"{path}: not a network namespace; {FIX}")
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise RefusedError(f"cannot join {path}: {_last_error()}; only root can, others need the launcher")


def make_mounts_private() -> None:
    """Make mounts from now on visible to this process and its children only."""
    if _libc.unshare(_CLONE_NEWNS) != 0 or _libc.mount(b"", b"/", None, ctypes.c_ulong(_SLAVE | _REC), None) != 0:
        raise RefusedError(f"cannot make private mounts: {_last_error()}")


def _mount_prepared_files(folder: str) -> None:
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        write_line(_NO_RESOLVER.format(os.path.basename(folder), folder))
        return
    except OSError as error:
        raise RefusedError(f"{folder}: {error.strerror}; {_fix_for(error.errno)}") from None
    _require_root_owned(os.fstat(directory), folder, stat.S_IFDIR)
    for target in REPLACED_FILES:
        try:
            file = os.open(os.path.basename(target), os.O_PATH | os.O_NOFOLLOW, dir_fd=directory)
        except FileNotFoundError:
            if target == REPLACED_FILES[0]:
                write_line(_NO_RESOLVER.format(os.path.basename(folder), folder))
            continue
        except OSError as error:
            raise RefusedError(f"{folder}: {error.strerror}; {_fix_for(error.errno)}") from None
        _require_root_owned(os.fstat(file), f"{folder}/{os.path.basename(target)}", stat.S_IFREG)
        mount_over(file, target)


def _require_root_owned(status: os.stat_result, path: str, kind: int) -> None:
    if stat.S_IFMT(status.st_mode) != kind or status.st_uid != 0 or status.st_mode & 0o022:
        what = "directory" if kind == stat.S_IFDIR else "plain file"
        raise RefusedError(f"{path}: must be a {what} that only root can write; {FIX}")


def mount_over(file: int, target: str) -> None:
    """Mount on the name itself, even a symlink: a mount on its target is lost when the host renames a file there.

    A file that the host lacks need not be replaced, except resolv.conf: without it, programs would ask 127.0.0.1.
    """
    tree = _libc.syscall(_OPEN_TREE, file, b"", _TREE_CLONE | _EMPTY_PATH | os.O_CLOEXEC)
    move = (_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_FROM_DESCRIPTOR)
    if tree >= 0 and _libc.syscall(*move) == 0:
        return
    if target == REPLACED_FILES[0] or ctypes.get_errno() != errno.ENOENT:
        raise RefusedError(f"{target}: {_last_error()}; it must exist, to be replaced inside the namespace")


def hide_name_cache() -> None:
    """Hide the socket of nscd, which would answer lookups over the host's own network."""
    flags = ctypes.c_ulong(_NOSUID | _NODEV | _NOEXEC)
    if os.path.isdir("/run/nscd") and _libc.mount(b"none", b"/run/nscd", b"tmpfs", flags, b"size=4k,mode=755") != 0:
        raise RefusedError(f"cannot hide /run/nscd: {_last_error()}")


def _parse_user(identity: str) -> User:
    """Return user and group of UID:GID, and all groups of the user, looked up outside with the host's name services."""
    try:
        uid, gid = map(int, identity.split(":"))
    except ValueError:
        raise RefusedError(f"--as {identity}: must be UID:GID") from None
    return uid, gid, privileges.find_groups(uid, gid)


def give_up_privileges(user: User | None, tied_to: int | None = None) -> None:
    """Become `user`, drop every capability, and be killed when the parent `tied_to` ends."""
    try:
        if tied_to is not None:
            # Otherwise it stays: without it, programs with a file capability, such as ping, would not even start.
            privileges.drop_bounding_set()
        if user is not None:
            privileges.become_user(user)
        privileges.drop_every_capability()
        if tied_to is not None:
            privileges.die_with_parent(tied_to)
    except OSError as error:
        who = f"become the user {user[0]} without privileges" if user else "drop privileges"
        raise RefusedError(f"cannot {who}: {error.strerror or error}") from None


def map_user(uid: int, gid: int) -> None:
    """Enter a nested user namespace in which this user has the same ids as outside."""
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise RefusedError(f"cannot create a user namespace: {_last_error()}")
    for file, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{gid} 0 1")):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as map_:
            map_.write(text)


def die_with_parent() -> None:
    """Be killed when the parent ends; call it last, because a change of privileges would undo it."""
    try:
        privileges.die_with_parent()
    except OSError as error:
        raise RefusedError(f"cannot tie the command to its parent: {error.strerror}") from None


def exec_command(name: str, command: list[str]) -> NoReturn:
    """Replace this process by the command; exit with 126 or 127 if it cannot be executed."""
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and the command would inherit that
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606  no shell is the point
    except OSError as error:
        write_line(f"{name}: {command[0]}: {error.strerror}")
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _fix_for(number: int | None) -> str:
    return "raise the limit of open files (ulimit -n)" if number in {errno.EMFILE, errno.ENFILE} else FIX


def _last_error() -> str:
    return os.strerror(ctypes.get_errno())


def write_line(line: str) -> None:
    """Write one line to stderr, even if it holds bytes that are not UTF-8."""
    os.write(_STDERR, f"{line}\n".encode(errors="surrogateescape"))


if __name__ == "__main__":
    main(sys.argv[1:])
