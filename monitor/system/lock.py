"""One test at a time on this machine, whoever starts it: an advisory lock, which the kernel drops when its holder dies.

Without a configured file every usable one of `SHARED_FILES` is locked, in this order: root may be able to create one
where a plain user can use only the other, and each must see the other's lock. Anyone who can read the file can hold the
lock, which prevents tests and has no other effect.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import UsageError
from monitor.system import state_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


LOCKS_FILE = "/proc/locks"

SHARED_FILES = ("/run/lock/speedmon.lock", "/tmp/speedmon.lock")  # noqa: S108  opened without following links

_held: set[int] = set()


@contextlib.contextmanager
def hold_lock(configured: str, shared: Sequence[str] = SHARED_FILES) -> Iterator[bool]:
    """Hold the lock for the `with` block; yield False when another process holds it.

    `held_descriptors` are the open files meanwhile: a process that inherits them holds the lock until it ends too.

    Args:
        configured: the file of the settings; empty: the shared ones.
        shared: the files that stand for the whole machine.

    Raises:
        UsageError: no lock file can be opened.
    """
    with contextlib.ExitStack() as opened:
        descriptors = [_open_lock_file(file, opened) for file in ([configured] if configured else shared)]
        usable = [descriptor for descriptor in descriptors if isinstance(descriptor, int)]
        if not usable:
            reasons = "; ".join(str(reason) for reason in descriptors)
            raise UsageError(f"no lock file can be opened ({reasons}): set collect.lock_file to a file you can write")
        held = all(_try_lock(descriptor) for descriptor in usable)
        if held:
            _held.update(usable)
            opened.callback(_held.difference_update, usable)
        yield held


def held_descriptors() -> tuple[int, ...]:
    """Return the descriptors of the lock that this process holds; empty where it holds none."""
    return tuple(sorted(_held))


def is_held(configured: str, shared: Sequence[str] = SHARED_FILES, holders: str = LOCKS_FILE) -> bool:
    """Whether a test holds the lock, from the kernel's list: trying it would turn away a test that starts just then.

    Raises:
        UsageError: the kernel's list of locks cannot be read.
    """
    paths = [Path(file) for file in ([configured] if configured else shared)]
    inodes = {str(path.stat().st_ino) for path in paths if path.exists()}
    try:
        locks = [line.split() for line in Path(holders).read_text(encoding="ascii").splitlines()]
    except OSError as error:
        raise UsageError(
            f"{holders}: cannot be read, so it is not known whether a test is running: {error.strerror}"
        ) from error
    # 1: FLOCK ADVISORY WRITE 1234 fe:00:2149121 0 EOF; compared by inode only, as btrfs shows another device here.
    return any(lock[1] == "FLOCK" and lock[5].rpartition(":")[2] in inodes for lock in locks)


def _open_lock_file(file: str, opened: contextlib.ExitStack) -> int | str:
    """Return a descriptor of a regular file, or the reason why there is none."""
    try:
        descriptor = state_files.open_lock_file(Path(file))
    except (OSError, ValueError) as error:
        return f"{file}: {error.strerror if isinstance(error, OSError) else error}"
    opened.callback(os.close, descriptor)
    return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else f"{file}: is not a regular file"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
