"""How a process gives up its privileges, and dies with its parent: prctl(2), capset(2) and the ids of a user.

Imported when entering the namespace and before each test, so it uses only small parts of the standard library. Every
function raises OSError where the kernel refuses.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import signal

TYPE_CHECKING = False  # importing typing would cost 6 ms
if TYPE_CHECKING:
    User = tuple[int, int, list[int]]  # user, group, all groups

# From linux/prctl.h and capability.h.
_SET_PDEATHSIG, _CAPBSET_READ, _CAPBSET_DROP, _SET_CHILD_SUBREAPER = 1, 23, 24, 36
_SET_NO_NEW_PRIVS, _CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_SETPCAP = 8
_MOST_CAPABILITIES = 64

libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int = 0) -> int:
    none = ctypes.c_ulong(0)
    return int(libc.prctl(option, ctypes.c_ulong(value), none, none, none))


def _require(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def find_groups(uid: int, gid: int) -> list[int]:
    """Return all groups of a user, according to the host's name services; a user without a name has one group."""
    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]


def become_user(user: User) -> None:
    """Become the user for good: real, effective and saved ids, and the groups."""
    uid, gid, groups = user
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def drop_bounding_set() -> None:
    """Empty the bounding set, so that no program can bring a capability back; only who has CAP_SETPCAP can."""
    for capability in range(_MOST_CAPABILITIES):
        if _prctl(_CAPBSET_READ, capability) != 1:
            continue
        if _prctl(_CAPBSET_DROP, capability) != 0:  # not permitted: no_new_privs has to do
            return


def drop_every_capability() -> None:
    """Drop every capability of the thread, ambient ones too, and the possibility to gain one.

    A hardened unit forbids capset(2) even to a thread that has none to drop; only what is left counts.
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none, remaining = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)(*[1] * 6)
    _require(_prctl(_SET_NO_NEW_PRIVS, 1))
    _prctl(_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)  # Linux 4.3; capset(2) clears them as well
    libc.capset(header, none)
    _require(libc.capget(header, remaining))
    if any(remaining):
        raise PermissionError(errno.EPERM, "the kernel kept capabilities")


def die_with_parent(parent: int | None = None) -> None:
    """Be killed when the parent ends; call it last, because a change of ids or privileges undoes it.

    `parent`: the process id that the parent had; where it has ended meanwhile, this process ends at once.
    """
    _require(_prctl(_SET_PDEATHSIG, signal.SIGKILL))
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans(*, adopt: bool) -> None:
    """Become the parent of every descendant that loses its own, or no longer; a kernel that cannot changes nothing."""
    _prctl(_SET_CHILD_SUBREAPER, int(adopt))
