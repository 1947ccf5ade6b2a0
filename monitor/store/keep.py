"""Delivers a finished run: writes it to the spool, stores it, removes the file, then stores what else is spooled."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import msgspec

from monitor import spool
from monitor.errors import StoreError, StoreRejectedError
from monitor.store.open import open_writer
from monitor.store.write import add

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt

_log = logging.getLogger(__name__)


def keep(attempt: Attempt, url: str, spool_dir: Path) -> None:
    """Store an attempt, and earlier ones that are still in the spool.

    Raises:
        StoreError: it cannot be stored; the message names the file that keeps it until the next run stores it.
        StoreFullError: likewise, because there is no space; the file may be in memory.
    """
    file = _spool(attempt, spool_dir)
    try:
        _store(attempt, url)
    except StoreRejectedError as error:
        raise type(error)(f"{error}; {_whereabouts(attempt, file and spool.set_aside(file, error))}") from error
    except StoreError as error:
        next_run = "; the next run stores it" if file else ""
        raise type(error)(f"{error}; {_whereabouts(attempt, file)}{next_run}") from error
    if file:
        spool.drop(file)
    _drain_what_is_left(url, spool_dir)


def drain(url: str, directory: Path) -> int:
    """Store the runs of a spool directory, oldest first; return their number.

    Raises:
        StoreError: they cannot be stored; those that were not stay where they are.
    """
    stored = 0
    for file, attempt in spool.load_all(directory):
        try:
            _store(attempt, url)
        except StoreRejectedError as error:
            spool.set_aside(file, error)
            continue
        spool.drop(file)
        stored += 1
    return stored


def _drain_what_is_left(url: str, spool_dir: Path) -> None:
    """Store earlier runs; a problem with them is logged, for it is not an error of the run just stored."""
    try:
        for directory in (spool_dir, *_private_fallback()):
            drain(url, directory)
    except (StoreError, OSError) as error:
        _log.warning("earlier runs are waiting in %s: %s", directory, error)


def _private_fallback() -> list[Path]:
    directory = spool.fallback_dir(os.geteuid())
    return [directory] if spool.is_private(directory) else []


def _spool(attempt: Attempt, spool_dir: Path) -> Path | None:
    """Write the attempt to a file on disk, else in memory; return the file, None if both fail."""
    try:
        return spool.save(spool_dir, attempt)
    except OSError as error:
        _log.info("%s: %s", spool_dir, error)
    fallback = spool.fallback_dir(os.geteuid())
    try:
        spool.make_private(fallback)
        return spool.save(fallback, attempt)
    except OSError as error:
        _log.info("%s: %s", fallback, error)
    return None


def _store(attempt: Attempt, url: str) -> None:
    with open_writer(url) as connection:
        add(connection, attempt)


def _whereabouts(attempt: Attempt, file: Path | None) -> str:
    """Describe where a run is that could not be stored; as a last resort it is in the message itself."""
    if file is None:
        return f"the run was measured, but cannot be written to any file: {msgspec.json.encode(attempt.run).decode()}"
    in_memory = file.parent == spool.fallback_dir(os.geteuid())
    return f"the run was measured and is kept in {file}{' (in memory: a reboot loses it)' if in_memory else ''}"
