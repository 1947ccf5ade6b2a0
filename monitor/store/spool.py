"""Runs as files until the database has them; and the note that a test is under way. No SQLAlchemy.

A finished run is one JSON file, written atomically. If the disk is full, `/dev/shm/speedmon-UID` is used instead,
provided that only its owner can write to it.

The note is a file beside them that is locked while the test runs: if it can be locked, a power cut or kill -9 ended the
test, which is then recorded from the note.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from monitor.model import Attempt
from monitor.system import files

if TYPE_CHECKING:
    from collections.abc import Iterator


_log = logging.getLogger(__name__)


def save_attempt(directory: Path, attempt: Attempt) -> Path:
    """Write an attempt to a file, synced to disk; return the file.

    Raises:
        OSError: there is no space, or the directory cannot be created or written.
    """
    files.make_folder(directory, 0o700)
    unfinished = directory / f".{attempt.run.id}.part"
    try:
        _write_file(unfinished, msgspec.json.encode(attempt))
        file = unfinished.rename(directory / f"{attempt.run.id}.json")
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_dir(directory)
    return file


def load_attempts(directory: Path) -> list[tuple[Path, Attempt]]:
    """Return the files of a directory with their attempts, oldest run first; undecodable files are set aside."""
    attempts = [(file, attempt) for file in directory.glob("*.json") if (attempt := _load_attempt(file))]
    return sorted(attempts, key=lambda pair: pair[1].run.started_at)


def remove_file(file: Path) -> None:
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
    return Path(f"/dev/shm/speedmon-{uid}")  # noqa: S108  is_private_dir checks it


def make_private_dir(directory: Path) -> None:
    """Create a directory that only this user can access.

    Raises:
        OSError: it cannot be created, or another user created it first.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    if not is_private_dir(directory):
        raise PermissionError(errno.EPERM, "is accessible to other users", str(directory))


def is_private_dir(directory: Path) -> bool:
    """Return whether a path is a directory (not a symlink) that we own and nobody else can access."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _load_attempt(file: Path) -> Attempt | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Attempt)
    except FileNotFoundError:  # another process stored it
        return None
    except OSError as error:
        _log.warning("%s: cannot be read: %s", file, error.strerror)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        set_aside(file, error)
    return None


def _write_file(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        files.give_to_folder_owner(file.fileno(), path)
        os.fsync(file.fileno())


def _sync_dir(directory: Path) -> None:
    """Sync a directory, so that a rename in it survives a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def started_note(directory: Path, attempt: Attempt) -> Iterator[None]:
    """Keep a note with the attempt to record if the block never ends; without write access there is none."""
    note = directory / f"{attempt.run.id}.started"
    try:
        descriptor = _write_locked_note(directory, note, attempt)
    except OSError as error:
        _log.info("%s: no note of the test: %s", note, error)
        yield
        return
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
        os.close(descriptor)


def recover_interrupted(directory: Path) -> int:
    """Turn the notes of tests that no longer run into spooled runs; return their number."""
    return sum(_recover_note(note) for note in sorted(directory.glob("*.started")))


def _write_locked_note(directory: Path, note: Path, attempt: Attempt) -> int:
    """Write and lock the note before it gets its name; return the descriptor that holds the lock."""
    files.make_folder(directory, 0o700)
    unfinished = note.with_suffix(".begun")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.give_to_folder_owner(descriptor, unfinished)
        os.write(descriptor, msgspec.json.encode(attempt))
        os.fsync(descriptor)
        unfinished.rename(note)
    except OSError:
        unfinished.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return descriptor


def _recover_note(note: Path) -> bool:
    try:
        with note.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            attempt = msgspec.json.decode(file.read(), type=Attempt)
            save_attempt(note.parent, attempt)
    except (BlockingIOError, FileNotFoundError):  # its test still runs, or has just ended
        return False
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        set_aside(note, error)
        return False
    except OSError as error:
        _log.warning("%s: cannot be recovered: %s", note, error)
        return False
    note.unlink(missing_ok=True)
    return True
