"""The journal file of what was done to this machine, and the lock that keeps two set-ups from running at once.

One file per namespace, directly in a folder that every Linux has: a folder of our own could be left behind by a process
that is killed before the journal records who made it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from netns.errors import StepError
from netns.state import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

# Persistent: that we created the group must still be known after a reboot.
JOURNAL_DIRECTORY = Path("/var/lib")
JOURNAL_PREFIX = "speedmon-netns-"
LOCK_FILE = Path("/run/speedmon-netns.lock")


def load_journal(name: str, directory: Path = JOURNAL_DIRECTORY) -> Journal:
    """Return the journal of namespace `name`, an empty one if there is none.

    Raises:
        StepError: the file is damaged; the message names the fix.
    """
    return _read_journal(_journal_file(name, directory)) or Journal()


def load_other_journals(name: str, directory: Path = JOURNAL_DIRECTORY) -> tuple[Journal, ...]:
    """Return the journals of all namespaces but `name`.

    Raises:
        StepError: as for `load_journal`.
    """
    files = sorted(set(directory.glob(f"{JOURNAL_PREFIX}*.json")) - {_journal_file(name, directory)})
    return tuple(journal for journal in map(_read_journal, files) if journal is not None)


def _journal_file(name: str, directory: Path) -> Path:
    return directory / f"{JOURNAL_PREFIX}{name}.json"


def _read_journal(file: Path) -> Journal | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise StepError(f"{file} is damaged ({error}); remove it, then run teardown-netns and setup-netns") from error


def save_journal(name: str, journal: Journal, directory: Path = JOURNAL_DIRECTORY) -> None:
    """Write the journal durably: it must survive a crash during the changes it describes."""
    directory.mkdir(parents=True, exist_ok=True)
    file = _journal_file(name, directory)
    temporary = _temporary_file(file)
    with temporary.open("wb") as text:
        os.fchmod(text.fileno(), 0o644)  # any user who runs a test reads the uplink from it
        text.write(msgspec.json.format(msgspec.json.encode(journal)))
        text.flush()
        os.fsync(text.fileno())
    temporary.replace(file)


def remove_journal(name: str, directory: Path = JOURNAL_DIRECTORY) -> None:
    """Remove the journal, and the temporary file of a process that was killed while writing it."""
    file = _journal_file(name, directory)
    _temporary_file(file).unlink(missing_ok=True)
    file.unlink(missing_ok=True)


def _temporary_file(file: Path) -> Path:
    return file.with_name(f".{file.name}")


@contextlib.contextmanager
def hold_lock(path: Path = LOCK_FILE) -> Iterator[None]:
    """Hold the lock for the block; a second caller waits. The file is removed afterwards."""
    descriptor = _acquire_lock(path)
    try:
        yield
    finally:
        path.unlink()
        os.close(descriptor)


def _acquire_lock(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_same_file(descriptor, path):
            return descriptor
        os.close(descriptor)  # its previous holder removed the file while we waited


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
