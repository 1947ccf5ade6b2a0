"""Runs as files until the database has them; and the note that a test is under way. No SQLAlchemy.

A finished run is one JSON file, written atomically. Each database has a folder of its own in the spool, so that a run
can only be stored where it belongs. If the disk is full, a folder in memory (/dev/shm/speedmon-UID) is used instead,
provided that only its owner can write to it.

The note is a file beside them that is locked while the test runs: if it can be locked, a power cut or kill -9 ended the
test, which is then recorded from the note.

Releases up to 0.1 kept the runs of all databases in one folder, the spool itself; see `Spool.shared_folders`.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from monitor.config.load import mask_password
from monitor.errors import StateFileError
from monitor.model import Attempt, is_run_id
from monitor.store import database_file
from monitor.system import files, state_files
from monitor.system.ownership import nearest_owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.system.ownership import Owner


# What the output of an engine takes when every character of it must be escaped, and some more.
LIMIT_BYTES = 8 * 1024 * 1024

SUFFIX = ".json"

NOTE_SUFFIX = ".started"

# In the folder of a database: its URL, for those who look.
NAME_FILE = "database"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Spool:
    """Where the runs of one database wait: a folder on disk, and one in memory if its owner alone can access it.

    `owner` is as whom root works there. `shared_folders` are those that all databases shared in earlier releases: whose
    a run there is, its probe must show.
    """

    folder: Path
    fallback: Path
    owner: Owner | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of this database that may be read."""
        return (self.folder, self.fallback) if self._may_use_memory() else (self.folder,)

    @property
    def shared_folders(self) -> tuple[Path, ...]:
        """The folders of earlier releases that may be read."""
        return (self.folder.parent, self.fallback.parent) if self._may_use_memory() else (self.folder.parent,)

    def _may_use_memory(self) -> bool:
        return files.is_private_folder(self.fallback.parent, self.owner)


def open_spool(spool_dir: Path, url: str) -> Spool:
    """Return the spool of a database; creates nothing.

    Args:
        spool_dir: the folder `spool` of the state directory.
        url: the URL of the database.

    Raises:
        StoreError: the URL cannot be used.
    """
    key, owner = database_file.database_key(url), nearest_owner(spool_dir)
    in_memory = Path(f"/dev/shm/speedmon-{owner.uid if owner else os.geteuid()}")  # noqa: S108  see is_private_folder
    return Spool(spool_dir / key, in_memory / key, owner)


def keep_attempt(spool: Spool, attempt: Attempt, url: str) -> Path | None:
    """Write the attempt to a file on disk, else in memory; return the file, None if both fail."""
    try:
        return _keep_on_disk(spool.folder, attempt, url)
    except OSError as error:
        _log.info("%s: %s", spool.folder, error)
    try:
        files.make_private_folder(spool.fallback.parent, spool.owner)
        return save_attempt(spool.fallback, attempt)
    except OSError as error:
        _log.info("%s: %s", spool.fallback, error)
    return None


def _keep_on_disk(folder: Path, attempt: Attempt, url: str) -> Path:
    file = save_attempt(folder, attempt)
    name_folder(folder, url)
    return file


def name_folder(folder: Path, url: str) -> None:
    """Note in a folder of the spool which database it belongs to; without space there is no note."""
    name = folder / NAME_FILE
    if not os.path.lexists(name):
        with contextlib.suppress(OSError):
            files.replace_file(name, f"{mask_password(url)}\n".encode("utf-8", "surrogateescape"))


def save_attempt(directory: Path, attempt: Attempt) -> Path:
    """Write an attempt to a file, synced to disk; return the file.

    Raises:
        OSError: there is no space, or the directory cannot be created or written.
    """
    if not is_run_id(attempt.run.id):
        raise ValueError(f"{attempt.run.id!r} is not the id of a run")
    files.make_folder(directory, 0o700)
    file = directory / f"{attempt.run.id}{SUFFIX}"
    files.replace_file(file, msgspec.json.encode(attempt))
    files.sync_folder(directory)
    return file


def load_attempts(directory: Path) -> list[tuple[Path, Attempt]]:
    """Return the files of a directory with their attempts, oldest run first; others of that name are set aside."""
    attempts = [(file, attempt) for file in _list_files(directory, SUFFIX) if (attempt := _load_attempt(file))]
    return sorted(attempts, key=lambda pair: pair[1].run.started_at)


def _list_files(directory: Path, suffix: str) -> list[Path]:
    try:
        return state_files.list_files(directory, suffix)
    except OSError as error:
        _log.warning("%s: cannot be read: %s", directory, error.strerror)
        return []


def _load_attempt(file: Path) -> Attempt | None:
    try:
        return decode_attempt(file, state_files.read_file(file, LIMIT_BYTES))
    except FileNotFoundError:  # another process stored it
        return None
    except OSError as error:
        _log.warning("%s: cannot be read: %s", file, error.strerror)
    except StateFileError as error:
        set_aside(file, error)
    return None


def decode_attempt(file: Path, content: bytes) -> Attempt:
    """Return the attempt in a file, which must bear the id of its run.

    Raises:
        StateFileError: it holds something else.
    """
    try:
        attempt = msgspec.json.decode(content, type=Attempt)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateFileError(f"{file}: is not a run: {error}") from error
    if not is_run_id(attempt.run.id) or attempt.run.id != file.stem:
        raise StateFileError(f"{file}: the id of its run, {attempt.run.id[:64]!r}, is not a UUID or not its name")
    if attempt.run.started_at.tzinfo is None or attempt.run.finished_at.tzinfo is None:
        raise StateFileError(f"{file}: its times have no offset from UTC")
    return attempt


def remove_file(file: Path) -> None:
    """Remove a file whose run is stored, unless another process has done so."""
    try:
        files.remove_file(file)
    except OSError as error:
        _log.warning("%s: its run is stored, but it cannot be removed: %s", file, error.strerror)


def set_aside(file: Path, reason: object) -> Path:
    """Rename a file that can never be stored, so that it is kept and not tried again; return the file."""
    try:
        aside = state_files.set_aside(file)
    except OSError as error:
        _log.warning("%s: cannot be stored (%s) nor set aside (%s)", file, reason, error.strerror)
        return file
    _log.warning("%s: cannot be stored (%s); it is kept there", aside, reason)
    return aside


@contextlib.contextmanager
def started_note(directory: Path, attempt: Attempt) -> Iterator[None]:
    """Keep a note with the attempt to record if the block never ends; without write access there is none.

    After an exception it stays: the next start records the test, unless its run was kept or stored.
    """
    note = directory / f"{attempt.run.id}{NOTE_SUFFIX}"
    try:
        descriptor = _write_locked_note(directory, note, attempt)
    except OSError as error:
        _log.info("%s: no note of the test: %s", note, error)
        yield
        return
    try:
        yield
        remove_file(note)
    finally:
        os.close(descriptor)


def recover_notes(spool: Spool) -> int:
    """Do as `recover_interrupted` in the folder of a database and in that which all shared in earlier releases."""
    with contextlib.suppress(OSError):  # what a killed process left half written, which does no harm
        files.remove_unfinished(spool.folder)
    return sum(recover_interrupted(folder, spool.folders) for folder in (spool.folder, spool.folder.parent))


def recover_interrupted(directory: Path, spools: Sequence[Path] = ()) -> int:
    """Turn the notes of tests that no longer run into spooled runs; return their number.

    A test that was killed after its run had been kept in the directory, or one of `spools`, needs none.
    """
    suffixes = (SUFFIX, state_files.BROKEN_SUFFIX)
    kept = {file.stem for folder in (directory, *spools) for suffix in suffixes for file in _list_files(folder, suffix)}
    return sum(_recover_note(note, kept) for note in _list_files(directory, NOTE_SUFFIX))


def _write_locked_note(directory: Path, note: Path, attempt: Attempt) -> int:
    """Write and lock the note before it gets its name; return the descriptor that holds the lock."""
    files.make_folder(directory, 0o700)
    with files.creating(note, mode=0o600) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.write_all(descriptor, msgspec.json.encode(attempt))
        os.fsync(descriptor)
        return os.dup(descriptor)


def _recover_note(note: Path, kept: set[str]) -> bool:
    try:
        with state_files.open_state_file(note) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            attempt = decode_attempt(note, state_files.read_file(note, LIMIT_BYTES))
            if attempt.run.id not in kept:
                save_attempt(note.parent, attempt)
    except (BlockingIOError, FileNotFoundError):  # its test still runs, or has just ended
        return False
    except StateFileError as error:
        set_aside(note, error)
        return False
    except OSError as error:
        _log.warning("%s: cannot be recovered: %s", note, error)
        return False
    remove_file(note)
    return attempt.run.id not in kept
