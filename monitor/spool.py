"""Finished runs as files, for as long as the store cannot take them: one JSON file a run, written whole or not at all.

`/dev/shm/speedmon-UID` stands in when the disk is full; it is used only if nobody but its owner can write there.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

import msgspec

from monitor import ownership
from monitor.model import Attempt

_log = logging.getLogger(__name__)


def save(directory: Path, attempt: Attempt) -> Path:
    """Write an attempt to a file of its own, on the disk when this returns; return the file.

    Raises:
        OSError: there is no room, or the directory cannot be made or written.
    """
    ownership.make_folder(directory, 0o700)
    unfinished = directory / f".{attempt.run.id}.part"
    try:
        _write(unfinished, msgspec.json.encode(attempt))
        file = unfinished.rename(directory / f"{attempt.run.id}.json")
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    _sync(directory)
    return file


def load_all(directory: Path) -> list[tuple[Path, Attempt]]:
    """Return the files of a directory with their attempts, oldest run first; a file that is none is set aside."""
    found = [(file, attempt) for file in directory.glob("*.json") if (attempt := _load(file))]
    return sorted(found, key=lambda pair: pair[1].run.started_at)


def drop(file: Path) -> None:
    """Remove a file whose run is in the store; another process may have done so."""
    file.unlink(missing_ok=True)


def set_aside(file: Path, reason: object) -> Path:
    """Rename a file that can never be stored, so that it is kept, reported once and not tried again."""
    aside = file.with_suffix(".broken")
    try:
        file.rename(aside)
    except OSError as error:
        _log.warning("%s: cannot be stored (%s) nor set aside (%s)", file, reason, error.strerror)
        return file
    _log.warning("%s: cannot be stored (%s); it is kept there", aside, reason)
    return aside


def fallback_dir(uid: int) -> Path:
    """Return the directory in memory that stands in for a full disk."""
    return Path(f"/dev/shm/speedmon-{uid}")  # noqa: S108  is_private guards it


def make_private(directory: Path) -> None:
    """Make a directory that only we can use.

    Raises:
        OSError: it cannot be made, or another user got there first.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    if not is_private(directory):
        raise PermissionError(errno.EPERM, "is not ours alone", str(directory))


def is_private(directory: Path) -> bool:
    """Tell whether a path is a directory, no link, that we own and nobody else can use."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _load(file: Path) -> Attempt | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Attempt)
    except FileNotFoundError:  # another process stored it
        return None
    except OSError as error:
        _log.warning("%s: cannot be read: %s", file, error.strerror)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        set_aside(file, error)
    return None


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        ownership.hand_over(file.fileno(), path)
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
