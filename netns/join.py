"""Move this thread into a named network namespace for a while; sockets that it opens there stay there.

/proc/sys/net and new sockets follow the thread, so no child process is needed to read or write inside.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NETNS_ROOT = Path("/run/netns")
CLONE_NEWNET = 0x40000000
HERE = "/proc/thread-self/ns/net"


@contextlib.contextmanager
def joined(name: str | None) -> Iterator[None]:
    """Be in namespace `name` (None: stay where the thread is) until the block ends.

    Raises:
        OSError: there is no such namespace, or the caller may not enter it.
    """
    if name is None:
        yield
        return
    with _opened(NETNS_ROOT / name) as target, returning():
        _setns(target)
        yield


@contextlib.contextmanager
def returning() -> Iterator[None]:
    """Return to the current namespace when the block ends, whatever namespace the thread is in by then."""
    with _opened(HERE) as origin:
        try:
            yield
        finally:
            _setns(origin)


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[int]:
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
