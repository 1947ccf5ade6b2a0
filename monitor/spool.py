"""The spool: finished runs as files until they are stored; one JSON file per run, written atomically.

If the disk is full, `/dev/shm/speedmon-UID` is used instead, provided that only its owner can write to it.
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
    """Write an attempt to a file, synced to disk; return the file.

    Raises:
        OSError: there is no space, or the directory cannot be created or written.
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
    """Return the files of a directory with their attempts, oldest run first; undecodable files are set aside."""
    attempts = [(file, attempt) for file in directory.glob("*.json") if (attempt := _load(file))]
    return sorted(attempts, key=lambda pair: pair[1].run.started_at)


def drop(file: Path) -> None:
    """Remove a file whose run is stored, unless another process has done so."""
    file.unlink(missing_ok=True)


def set_aside(file: Path, reason: object) -> Path:
    """Rename a file that can never be stored, so that it is kept and not tried again; return the file."""
    aside = file.with_suffix(".broken")
    try:
        file.rename(aside)
    except OSError as error:
        _log.warning("%s: cannot be stored (%s) nor set aside (%s)", file, reason, error.strerror)
        return file
    _log.warning("%s: cannot be stored (%s); it is kept there", aside, reason)
    return aside


def fallback_dir(uid: int) -> Path:
    """Return the directory in memory that is used if the disk is full."""
    return Path(f"/dev/shm/speedmon-{uid}")  # noqa: S108  is_private checks it


def make_private(directory: Path) -> None:
    """Create a directory that only this user can access.

    Raises:
        OSError: it cannot be created, or another user created it first.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    if not is_private(directory):
        raise PermissionError(errno.EPERM, "is accessible to other users", str(directory))


def is_private(directory: Path) -> bool:
    """Return whether a path is a directory (not a symlink) that we own and nobody else can access."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


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
    """Sync a directory, so that a rename in it survives a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
