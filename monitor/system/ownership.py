"""As whom root works in a folder: it walks there without following a foreign link, and acts as the foreign owner.

A path leaves root's hands at the first folder, or link, on it that is not root's: whoever owns that decides where the
rest leads, so everything from there on is done with that user's identity (effective user, group and supplementary
groups of this thread alone, with no capability). For a plain user nothing changes.
"""

from __future__ import annotations

import errno
import functools
import os
import pwd
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


# Neither read nor write permission is needed to pass through a folder or to work in it.
_PASS_THROUGH = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

_MAX_LINKS = 40

_NOBODY = 65_534

# Numbers of the system calls setgroups, setresgid and setresuid. The functions of the C library change all threads.
_CALLS_32_BIT = (206, 210, 208)
_CALLS_GENERIC = (159, 149, 147)
_CALLS = {
    "x86_64": (116, 119, 117),
    "aarch64": _CALLS_GENERIC,
    "riscv64": _CALLS_GENERIC,
    "loongarch64": _CALLS_GENERIC,
    "ppc64le": (81, 169, 164),
    "s390x": _CALLS_32_BIT,
}

_KEEP = -1


class Owner(NamedTuple):
    """The identity of a user: numbers of the user, its group, and all its groups."""

    uid: int
    gid: int
    groups: tuple[int, ...]


class Place(NamedTuple):
    """Where a path leads: an open folder, a name in it, and as whom to work there (None: as this process is)."""

    folder: int
    name: str
    owner: Owner | None


@contextmanager
def open_place(path: Path, *, follow: bool = False) -> Iterator[Place]:
    """Walk to the folder that holds a path, and yield it with the last name.

    Args:
        path: the path.
        follow: whether a symbolic link of the last name is followed too.

    Raises:
        OSError: a folder is missing or closed, links go in circles, or a link belongs to somebody who may not lead us.
    """
    with _walk(path.absolute().parts[1:], follow=follow) as place:
        yield place


@contextmanager
def open_folder(folder: Path) -> Iterator[Place]:
    """Walk into a folder, and yield it; the name is ".".

    Raises:
        OSError: as `open_place`.
    """
    with _walk((*folder.absolute().parts[1:], "."), follow=True) as place:
        yield place


@contextmanager
def _walk(names: Sequence[str], *, follow: bool) -> Iterator[Place]:
    walk = _Walk(names, follow=follow)
    try:
        yield walk.arrive()
    finally:
        os.close(walk.folder)


@contextmanager
def acting_as(owner: Owner | None) -> Iterator[None]:
    """Give this thread the identity of an owner for the block; None changes nothing. Start no process in it.

    Raises:
        PermissionError: this root may not act as another user.
    """
    before = _identity()
    if owner is None or owner == before:
        yield
        return
    try:
        _change_identity(owner)
        yield
    finally:
        if _identity() != before:
            _change_identity(before)


def _identity() -> Owner:
    """Return the identity of this thread."""
    return Owner(os.geteuid(), os.getegid(), tuple(os.getgroups()))


def owner_of_file(path: Path) -> Owner | None:
    """Return as whom to open or make a file by its path; None: as this process is.

    Where folders are missing, the nearest one that exists decides. A file of another user in a folder of root's that
    others can write to, such as /tmp, is opened as that user.

    Raises:
        OSError: as `open_place`.
    """
    try:
        with open_place(path, follow=True) as place:
            return place.owner or _owner_in_shared_folder(place)
    except FileNotFoundError:
        return owner_of_file(path.absolute().parent)


def nearest_owner(path: Path) -> Owner | None:
    """Return as whom to work at a path, or at the nearest folder above it that can be reached."""
    for place in (path, *path.absolute().parents):
        with suppress(OSError):
            return owner_of_file(place)
    return None


def _owner_in_shared_folder(place: Place) -> Owner | None:
    if not may_change_identity():
        return None
    try:
        status = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    shared = os.fstat(place.folder).st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return _to_owner(status.st_uid, status.st_gid) if shared and _is_foreign(status.st_uid) else None


class _Walk:
    """A walk along a path, folder by folder; links are expanded here, so that each is judged."""

    def __init__(self, names: Sequence[str], *, follow: bool) -> None:
        self.folder = os.open("/", _PASS_THROUGH)
        self._waiting = [*names][::-1] or ["."]
        self._follow = follow
        self._is_root = may_change_identity()
        self._owner: Owner | None = None
        self._links = 0

    def arrive(self) -> Place:
        """Walk to the last name; behind the first foreign folder or link as its owner."""
        while self._owner is None:
            if place := self._advance():
                return place
        with acting_as(self._owner):
            while not (place := self._advance()):
                pass
            return place

    def _advance(self) -> Place | None:
        """Take one name of the path; return the place if it was the last."""
        name = self._waiting.pop()
        last = not self._waiting
        link = self._read_link(name) if not last or self._follow else None
        if link is not None and not _is_magic(self.folder):
            self._expand_link(name, link)
        elif last:
            return Place(self.folder, name, self._owner)
        else:
            self._enter(name, 0 if link else os.O_NOFOLLOW)
        return None

    def _read_link(self, name: str) -> os.stat_result | None:
        """Return the status of a link; None if there is no link of that name."""
        try:
            status = os.stat(name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return status if stat.S_ISLNK(status.st_mode) else None

    def _enter(self, name: str, flags: int) -> None:
        entered = os.open(name, _PASS_THROUGH | flags, dir_fd=self.folder)
        os.close(self.folder)
        self.folder = entered
        self._leave_root(os.fstat(entered))

    def _expand_link(self, name: str, link: os.stat_result) -> None:
        """Put the names of a link's target in its place.

        Raises:
            PermissionError: it is a stranger's, in a folder that everybody writes to (as fs.protected_symlinks).
            OSError: links go in circles.
        """
        folder = os.fstat(self.folder)
        stranger = link.st_uid not in {0, os.geteuid(), folder.st_uid}
        if stranger and folder.st_mode & stat.S_IWOTH and not self._is_root:
            raise PermissionError(errno.EACCES, "is a link of another user in a folder that all can write to", name)
        self._leave_root(link)
        self._links += 1
        if self._links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = PurePosixPath(os.readlink(name, dir_fd=self.folder))
        if target.is_absolute():
            os.close(self.folder)
            self.folder = os.open("/", _PASS_THROUGH)
        self._waiting += target.parts[1 if target.is_absolute() else 0 :][::-1]
        self._waiting = self._waiting or ["."]

    def _leave_root(self, status: os.stat_result) -> None:
        """Note the first owner on the way who is not root."""
        if self._is_root and self._owner is None and _is_foreign(status.st_uid):
            self._owner = _to_owner(status.st_uid, status.st_gid)


def _is_magic(folder: int) -> bool:
    """Whether a folder is in /proc, whose links, such as /proc/self/fd/1, do not lead where they say."""
    return os.fstat(folder).st_dev == _proc_device()


@functools.cache
def _proc_device() -> int:
    try:
        return os.stat("/proc/self").st_dev  # noqa: PTH116  a Path costs more
    except OSError:
        return -1


def may_change_identity() -> bool:
    """Whether this process is root's, whatever identity the thread has for the moment."""
    return os.getresuid()[0] == 0


def _is_foreign(uid: int) -> bool:
    """Whether a user is another than root. One that this user namespace does not know is beyond our power anyway."""
    return uid != 0 and any(first <= uid < first + count for first, count in _known_users())


@functools.cache
def _known_users() -> tuple[tuple[int, int], ...]:
    """Return the ranges of users that this user namespace knows (user_namespaces(7))."""
    try:
        lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    except OSError:
        return ((0, 2**32 - 1),)
    return tuple((int(line.split()[0]), int(line.split()[2])) for line in lines)


@functools.lru_cache(maxsize=64)
def _to_owner(uid: int, gid: int) -> Owner:
    """Return the identity of a user. The group is that of the folder, if the user is in it; never root's by accident.

    A user without a name, as in a container, is in no group but the folder's.
    """
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        own = gid or _NOBODY
        return Owner(uid, own, (own,))
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    return Owner(uid, gid if gid in groups else user.pw_gid, tuple(groups))


def user_name(uid: int) -> str:
    """Return the name of a user, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _change_identity(owner: Owner) -> None:
    """Change the identity of this thread; the real user stays root's, which allows the way back.

    Raises:
        PermissionError: there is no way to act as another user here.
    """
    if os.geteuid() != 0:
        _call(2, _KEEP, 0, _KEEP)
    _set_groups(owner.groups)
    _call(1, _KEEP, owner.gid, _KEEP)
    if owner.uid != 0:
        _call(2, _KEEP, owner.uid, _KEEP)
    if (os.geteuid(), os.getegid()) != owner[:2]:
        raise PermissionError(errno.EPERM, f"root cannot act as {user_name(owner.uid)} here")


def _set_groups(groups: tuple[int, ...]) -> None:
    import ctypes  # noqa: PLC0415  slow, and only root in a foreign folder needs it

    _call(0, len(groups), (ctypes.c_uint32 * max(1, len(groups)))(*groups))


def _call(which: int, *arguments: object) -> None:
    import ctypes  # noqa: PLC0415  see above

    if _system_call()(_call_numbers()[which], *arguments):
        reason = "root may not act as another user here (CAP_SETUID, CAP_SETGID): run it as the folder's owner"
        raise PermissionError(ctypes.get_errno(), reason)


@functools.cache
def _system_call() -> Callable[..., int]:
    import ctypes  # noqa: PLC0415  see above

    function: Callable[..., int] = ctypes.CDLL(None, use_errno=True).syscall
    return function


def _call_numbers() -> tuple[int, int, int]:
    if sys.maxsize < 2**32:
        return _CALLS_32_BIT
    try:
        return _CALLS[os.uname().machine]
    except KeyError:
        raise PermissionError(
            errno.EPERM, f"root cannot act as another user on {os.uname().machine}: run it as the folder's owner"
        ) from None
