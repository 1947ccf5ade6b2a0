"""Creates and removes named network namespaces, like `ip netns add` and `ip netns delete` (iproute2, ip/ipnetns.c)."""

from __future__ import annotations

import os
from pathlib import Path

from netns.handle import RUN_NETNS, handle_path
from netns.join import CLONE_NEWNET, HERE, call_libc, returning

# From linux/mount.h and sys/mount.h.
_BIND, _REC, _SHARED = 1 << 12, 1 << 14, 1 << 20
_DETACH = 2


def create(name: str) -> None:
    """Create namespace `name`; afterwards this thread is in its former namespace again.

    Raises:
        OSError: the handle exists already, or the kernel refused; then nothing is left behind.
    """
    _share_handles()
    handle = handle_path(name)
    os.close(os.open(handle, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0))
    try:
        with returning():
            call_libc("unshare", CLONE_NEWNET)
            _mount(HERE, handle, _BIND)
    except OSError:
        Path(handle).unlink()
        raise


def remove(name: str) -> None:
    """Remove namespace `name`, or the plain file that a crash left in its place; no error if there is neither.

    Raises:
        OSError: the kernel refused.
    """
    handle = handle_path(name)
    if os.path.ismount(handle):
        call_libc("umount2", os.fsencode(handle), _DETACH, path=handle)
    Path(handle).unlink(missing_ok=True)


def unmount_handles() -> None:
    """Unmount /run/netns.

    Raises:
        OSError: the kernel refused, for instance because a namespace is left in it.
    """
    call_libc("umount2", os.fsencode(RUN_NETNS), 0, path=RUN_NETNS)


def _share_handles() -> None:
    """Make /run/netns a shared mount, so that handles mounted there are visible in other mount namespaces."""
    Path(RUN_NETNS).mkdir(exist_ok=True)
    try:
        _mount("", RUN_NETNS, _SHARED | _REC)
    except OSError:  # it is not a mount yet
        _mount(RUN_NETNS, RUN_NETNS, _BIND | _REC)
        _mount("", RUN_NETNS, _SHARED | _REC)


def _mount(source: str, target: str, flags: int) -> None:
    place = os.fsencode(source), os.fsencode(target)
    call_libc("mount", *place, b"none", flags, None, path=target)
