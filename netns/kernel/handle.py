"""The handle of a named network namespace: the file in /run/netns that `ip netns` and others agree on.

Imported before each test and when entering the namespace, so it uses only small parts of the standard library: pathlib
alone would cost 8 ms.
"""

from __future__ import annotations

import fcntl
import os

RUN_NETNS = "/run/netns"

# From linux/nsfs.h and linux/sched.h.
_GET_NSTYPE = 0xB703
CLONE_NEWNET = 0x40000000


def handle_path(name: str) -> str:
    """Return the path of the handle of namespace `name`."""
    return f"{RUN_NETNS}/{name}"


def open_handle(name: str) -> int:
    """Open the handle without following a symlink; the descriptor is not inherited by children.

    Raises:
        OSError: there is no such file, or it may not be read. A plain file raises no error.
    """
    return os.open(handle_path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)


def is_network_namespace(descriptor: int) -> bool:
    """Return whether a descriptor is a network namespace, not the plain file that a crash leaves."""
    try:
        return fcntl.ioctl(descriptor, _GET_NSTYPE) == CLONE_NEWNET
    except OSError:
        return False


def is_live(name: str) -> bool:
    """Return whether /run/netns/NAME is a network namespace, neither missing nor the plain file that a crash leaves."""
    try:
        descriptor = open_handle(name)
    except OSError:
        return False
    try:
        return is_network_namespace(descriptor)
    finally:
        os.close(descriptor)


def is_entered(name: str) -> bool:
    """Return whether the calling thread is already in namespace `name`."""
    try:
        there = os.stat(handle_path(name))
        here = os.stat("/proc/thread-self/ns/net")
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
