"""The careful reader of what speedmon keeps for itself: runs that wait, notes, memory, locks, a test's progress.

Nothing there can hold a reader up or lead it astray: no link is followed, no FIFO or device is opened, and a file has
an owner and a size that it may have. Whatever else lies there is set aside. As in `files`, root acts as the owner of
the folder.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from monitor.errors import StateFileError
from monitor.system.files import CREATE, list_names
from monitor.system.ownership import acting_as, open_folder, open_place, user_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from monitor.system.ownership import Place


BROKEN_SUFFIX = ".broken"

# A FIFO is not waited for, and no terminal becomes ours.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def list_files(folder: Path, suffix: str) -> list[Path]:
    """Return what a folder has whose name ends so, hidden ones left out, in the order of the names; [] without folder.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        with open_folder(folder) as place, acting_as(place.owner):
            names = list_names(place)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names) if name.endswith(suffix) and not name.startswith(".")]


def read_file(file: Path, limit: int, *, by_group: bool = False) -> bytes:
    """Return the content of a file that speedmon keeps for itself; it cannot block, and no link is followed.

    With `by_group` a member of the folder's group may have written it, if the group may write to the folder.

    Raises:
        StateFileError: it is no regular file, belongs to a stranger, or is larger than `limit` bytes.
        OSError: it is missing or cannot be read.
    """
    with open_state_file(file, by_group=by_group) as descriptor:
        if os.fstat(descriptor).st_size > limit:
            raise StateFileError(f"{file}: is larger than {limit:,} bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            content = opened.read(limit + 1)
    if len(content) > limit:  # it has grown
        raise StateFileError(f"{file}: is larger than {limit:,} bytes")
    return content


@contextmanager
def open_state_file(file: Path, *, by_group: bool = False) -> Iterator[int]:
    """Yield a descriptor to read a file that speedmon keeps for itself, once it is known to be one; see `read_file`.

    Raises:
        StateFileError: it is no regular file, or belongs to a stranger.
        OSError: it is missing or cannot be read.
    """
    with open_place(file) as place, acting_as(place.owner):
        before = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
        _refuse_odd_file(file, before, os.fstat(place.folder), by_group=by_group)
        descriptor = os.open(place.name, _READ, dir_fd=place.folder)
    try:
        if not os.path.samestat(before, os.fstat(descriptor)):
            raise StateFileError(f"{file}: was exchanged while it was opened")
        yield descriptor
    finally:
        os.close(descriptor)


def _refuse_odd_file(file: Path, status: os.stat_result, folder: os.stat_result, *, by_group: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise StateFileError(f"{file}: is {_describe_kind(status.st_mode)}, not a regular file")
    is_group_folder = folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH) == stat.S_IWGRP
    if by_group and is_group_folder and status.st_gid == folder.st_gid:
        return
    if status.st_uid not in {0, os.geteuid(), folder.st_uid}:
        raise StateFileError(f"{file}: belongs to {user_name(status.st_uid)}, not to the owner of its folder")


def _describe_kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def set_aside(file: Path) -> Path:
    """Rename what is not as it should be to NAME.broken, whatever it is, and return that path; nothing is overwritten.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = file.with_suffix(BROKEN_SUFFIX)
    with open_place(file) as place, acting_as(place.owner):
        if _has_name(place, aside.name):
            aside = file.with_suffix(f".{os.urandom(4).hex()}{BROKEN_SUFFIX}")
        os.rename(place.name, aside.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    return aside


def _has_name(place: Place, name: str) -> bool:
    try:
        os.stat(name, dir_fd=place.folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def open_lock_file(file: Path) -> int:
    """Return the descriptor of a file that anybody can lock; it is created where there is none. No link is followed.

    Read access is enough for a lock, so the file may belong to another user; without O_CREAT the kernel does not refuse
    it in a sticky folder (fs.protected_regular).

    Raises:
        OSError: it can neither be opened nor created.
    """
    with open_place(file) as place, acting_as(place.owner):
        with suppress(FileNotFoundError):
            return os.open(place.name, _READ, dir_fd=place.folder)
        try:
            flags = CREATE & ~os.O_WRONLY | os.O_NONBLOCK
            descriptor = os.open(place.name, flags, 0o644, dir_fd=place.folder)
        except FileExistsError:
            return os.open(place.name, _READ, dir_fd=place.folder)
        os.fchmod(descriptor, 0o644)  # other users must be able to open it, whatever the umask
        return descriptor
