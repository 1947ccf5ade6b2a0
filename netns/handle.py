"""The handle of a named network namespace: the file in /run/netns that `ip netns` and others agree on.

Only the standard library, and little of it: this is imported before each test and on the way into the namespace, where
pathlib alone would cost 8 ms.
"""

from __future__ import annotations

import fcntl
import os

RUN_NETNS = "/run/netns"
# From linux/nsfs.h and linux/sched.h.
_GET_NSTYPE = 0xB703
_CLONE_NEWNET = 0x40000000


def handle_path(name: str) -> str:
    """Return where the handle of namespace `name` lies."""
    return f"{RUN_NETNS}/{name}"


def open_handle(name: str) -> int:
    """Return a descriptor of the handle, not followed through a symlink and not inherited by children.

    Raises:
        OSError: there is no such file, or it may not be read; a plain file opens like any other.
    """
    return os.open(handle_path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)


def is_network_namespace(descriptor: int) -> bool:
    """Tell whether a descriptor is that of a network namespace and not of what a crash leaves: a plain file."""
    try:
        return fcntl.ioctl(descriptor, _GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


def is_live(name: str) -> bool:
    """Tell whether /run/netns/NAME is a network namespace, not missing and not the plain file a crash left."""
    try:
        descriptor = open_handle(name)
    except OSError:
        return False
    try:
        return is_network_namespace(descriptor)
    finally:
        os.close(descriptor)


def is_entered(name: str) -> bool:
    """Tell whether the calling thread is in namespace `name` already."""
    try:
        there = os.stat(handle_path(name))  # noqa: PTH116  no pathlib here
        here = os.stat("/proc/thread-self/ns/net")  # noqa: PTH116  the same
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
