"""Keep the journal of what was done to this machine, and keep two set-ups from running at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from netns.errors import StepError
from netns.model import STATE_DIRECTORIES, Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

# Persistent: that we made the group must be known after a reboot too.
DIRECTORY = Path(STATE_DIRECTORIES[-1])
LOCK = Path("/run/speedmon-netns.lock")


def load(name: str, directory: Path = DIRECTORY) -> Journal:
    """Return the journal of namespace `name`, an empty one where there is none.

    Raises:
        StepError: the file is damaged; the message says what to do.
    """
    file = directory / f"{name}.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=Journal)
    except FileNotFoundError:
        return Journal()
    except msgspec.DecodeError as error:
        raise StepError(f"{file} is damaged ({error}); remove it, then run teardown-netns and setup-netns") from error


def save(name: str, journal: Journal, directory: Path = DIRECTORY) -> None:
    """Write the journal, durably: it must survive what it describes."""
    directory.mkdir(parents=True, exist_ok=True)
    fresh = directory / f".{name}.json"
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(journal)))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / f"{name}.json")


def remove(name: str, made: tuple[str, ...], directory: Path = DIRECTORY) -> None:
    """Remove the journal, and those of its folders that we made, when that leaves them empty."""
    (directory / f"{name}.json").unlink(missing_ok=True)
    for path in (directory, directory.parent):
        if str(path) in made and path.is_dir() and not any(path.iterdir()):
            path.rmdir()


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
