"""Keep the journal of what was done to this machine, and keep two set-ups from running at once.

One file a namespace, straight in a folder that every Linux has: a folder of our own could itself be left behind by a
call that is killed before the journal says who made it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from netns.errors import StepError
from netns.model import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

# Persistent: that we made the group must be known after a reboot too.
DIRECTORY = Path("/var/lib")
PREFIX = "speedmon-netns-"
LOCK = Path("/run/speedmon-netns.lock")


def load(name: str, directory: Path = DIRECTORY) -> Journal:
    """Return the journal of namespace `name`, an empty one where there is none.

    Raises:
        StepError: the file is damaged; the message says what to do.
    """
    return _read(_file(name, directory)) or Journal()


def load_others(name: str, directory: Path = DIRECTORY) -> tuple[Journal, ...]:
    """Return the journals of all namespaces but `name`.

    Raises:
        StepError: as for `load`.
    """
    files = sorted(set(directory.glob(f"{PREFIX}*.json")) - {_file(name, directory)})
    return tuple(journal for journal in map(_read, files) if journal is not None)


def _file(name: str, directory: Path) -> Path:
    return directory / f"{PREFIX}{name}.json"


def _read(file: Path) -> Journal | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise StepError(f"{file} is damaged ({error}); remove it, then run teardown-netns and setup-netns") from error


def save(name: str, journal: Journal, directory: Path = DIRECTORY) -> None:
    """Write the journal, durably: it must survive what it describes."""
    directory.mkdir(parents=True, exist_ok=True)
    file = _file(name, directory)
    fresh = _fresh(file)
    with fresh.open("wb") as text:
        os.fchmod(text.fileno(), 0o644)  # whoever runs a test asks it for the uplink
        text.write(msgspec.json.format(msgspec.json.encode(journal)))
        text.flush()
        os.fsync(text.fileno())
    fresh.replace(file)


def remove(name: str, directory: Path = DIRECTORY) -> None:
    """Remove the journal, and what a call that was killed while it wrote has left of it."""
    file = _file(name, directory)
    _fresh(file).unlink(missing_ok=True)
    file.unlink(missing_ok=True)


def _fresh(file: Path) -> Path:
    return file.with_name(f".{file.name}")


@contextlib.contextmanager
def locked(path: Path = LOCK) -> Iterator[None]:
    """Hold the lock for the block; a second caller waits. The file is gone afterwards."""
    descriptor = _acquire(path)
    try:
        yield
    finally:
        path.unlink()
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is(descriptor, path):
            return descriptor
        os.close(descriptor)  # its last holder removed the file while we waited


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
