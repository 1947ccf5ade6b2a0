"""Makes, removes and enters named network namespaces, like `ip netns` (iproute2, ip/ipnetns.c).

Entering moves this thread for a while: /proc/sys/net and new sockets follow the thread, so no child process is needed
to read or write inside, and a socket that was opened there stays there.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from netns.kernel.handle import CLONE_NEWNET, RUN_NETNS, handle_path

if TYPE_CHECKING:
    from collections.abc import Iterator

# From linux/mount.h and sys/mount.h.
_BIND, _REC, _SHARED = 1 << 12, 1 << 14, 1 << 20
_DETACH = 2

THREAD_NAMESPACE = "/proc/thread-self/ns/net"


def create_namespace(name: str) -> None:
    """Create namespace `name`; afterwards this thread is in its former namespace again.

    Raises:
        OSError: the handle exists already, or the kernel refused; then nothing is left behind.
    """
    _share_handles()
    handle = handle_path(name)
    os.close(os.open(handle, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0))
    try:
        with return_to_namespace():
            call_libc("unshare", CLONE_NEWNET)
            _mount(THREAD_NAMESPACE, handle, _BIND)
    except OSError:
        Path(handle).unlink()
        raise


def remove_namespace(name: str) -> None:
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
    folder = Path(RUN_NETNS)
    if not folder.exists():
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask: others than root enter the namespace, too
    try:
        _mount("", RUN_NETNS, _SHARED | _REC)
    except OSError:  # it is not a mount yet
        _mount(RUN_NETNS, RUN_NETNS, _BIND | _REC)
        _mount("", RUN_NETNS, _SHARED | _REC)


def _mount(source: str, target: str, flags: int) -> None:
    place = os.fsencode(source), os.fsencode(target)
    call_libc("mount", *place, b"none", flags, None, path=target)


@contextlib.contextmanager
def enter_namespace(name: str | None) -> Iterator[None]:
    """Be in namespace `name` (None: stay where the thread is) until the block ends.

    Raises:
        OSError: there is no such namespace, or the caller may not enter it.
    """
    if name is None:
        yield
        return
    with _open_descriptor(handle_path(name)) as target, return_to_namespace():
        _setns(target)
        yield


@contextlib.contextmanager
def return_to_namespace() -> Iterator[None]:
    """Return to the current namespace when the block ends, whatever namespace the thread is in by then."""
    with _open_descriptor(THREAD_NAMESPACE) as origin:
        try:
            yield
        finally:
            _setns(origin)


@contextlib.contextmanager
def _open_descriptor(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _setns(descriptor: int) -> None:
    try:
        call_libc("setns", descriptor, CLONE_NEWNET)  # os.setns came with Python 3.12
    except OSError as error:
        raise OSError(error.errno, f"cannot enter the namespace: {error.strerror}") from None


def call_libc(function: str, *arguments: bytes | int | None, path: str | None = None) -> None:
    """Call a function of the C library that returns 0 on success; integers are passed as unsigned long.

    Raises:
        OSError: it failed, with its error number and `path`.
    """
    import ctypes  # noqa: PLC0415  not needed before a test, when the thread stays where it is

    libc = ctypes.CDLL(None, use_errno=True)
    converted = [ctypes.c_ulong(argument) if isinstance(argument, int) else argument for argument in arguments]
    if getattr(libc, function)(*converted) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
