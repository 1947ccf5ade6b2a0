"""A note that a test is running, so that a test ended by a power cut or kill -9 is recorded as well.

The note is a file in the spool that is locked while the test runs: if it can be locked, the test is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from typing import TYPE_CHECKING

import msgspec

from monitor import ownership, spool
from monitor.model import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def noted(directory: Path, attempt: Attempt) -> Iterator[None]:
    """Keep a note with the attempt to record if the block never ends; without write access there is none."""
    note = directory / f"{attempt.run.id}.started"
    try:
        descriptor = _write(directory, note, attempt)
    except OSError as error:
        _log.info("%s: no note of the test: %s", note, error)
        yield
        return
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
        os.close(descriptor)


def recover(directory: Path) -> int:
    """Turn the notes of tests that no longer run into spooled runs; return their number."""
    return sum(_recover(note) for note in sorted(directory.glob("*.started")))


def _write(directory: Path, note: Path, attempt: Attempt) -> int:
    """Write and lock the note before it gets its name; return the descriptor that holds the lock."""
    ownership.make_folder(directory, 0o700)
    unfinished = note.with_suffix(".begun")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ownership.hand_over(descriptor, unfinished)
        os.write(descriptor, msgspec.json.encode(attempt))
        os.fsync(descriptor)
        unfinished.rename(note)
    except OSError:
        unfinished.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return descriptor


def _recover(note: Path) -> bool:
    try:
        with note.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            attempt = msgspec.json.decode(file.read(), type=Attempt)
            spool.save(note.parent, attempt)
    except (BlockingIOError, FileNotFoundError):  # its test still runs, or has just ended
        return False
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        spool.set_aside(note, error)
        return False
    except OSError as error:
        _log.warning("%s: cannot be recovered: %s", note, error)
        return False
    note.unlink(missing_ok=True)
    return True
