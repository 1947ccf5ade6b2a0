"""Delivers a finished run: writes it to the spool, stores it, removes the file, then stores what else is spooled."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import msgspec

from monitor.errors import StoreError, StoreRejectedError
from monitor.store import spool
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt


_log = logging.getLogger(__name__)


def deliver_attempt(attempt: Attempt, url: str, spool_dir: Path) -> None:
    """Store an attempt, and earlier ones that are still in the spool.

    Raises:
        StoreError: it cannot be stored; the message names the file that keeps it until the next run stores it.
        StoreFullError: likewise, because there is no space; the file may be in memory.
    """
    file = _spool_attempt(attempt, spool_dir)
    try:
        _store_attempt(attempt, url)
    except StoreRejectedError as error:
        raise type(error)(f"{error}; {_describe_location(attempt, file and spool.set_aside(file, error))}") from error
    except StoreError as error:
        next_run = "; the next run stores it" if file else ""
        raise type(error)(f"{error}; {_describe_location(attempt, file)}{next_run}") from error
    if file:
        spool.remove_file(file)
    _drain_leftovers(url, spool_dir)


def drain_spool(url: str, directory: Path) -> int:
    """Store the runs of a spool directory, oldest first; return their number.

    Raises:
        StoreError: they cannot be stored; those that were not stay where they are.
    """
    stored = 0
    for file, attempt in spool.load_attempts(directory):
        try:
            _store_attempt(attempt, url)
        except StoreRejectedError as error:
            spool.set_aside(file, error)
            continue
        spool.remove_file(file)
        stored += 1
    return stored


def _drain_leftovers(url: str, spool_dir: Path) -> None:
    """Store earlier runs; a problem with them is logged, for it is not an error of the run just stored."""
    try:
        for directory in (spool_dir, *_fallback_dirs()):
            drain_spool(url, directory)
    except (StoreError, OSError) as error:
        _log.warning("earlier runs are waiting in %s: %s", directory, error)


def _fallback_dirs() -> list[Path]:
    directory = spool.fallback_dir(os.geteuid())
    return [directory] if spool.is_private_dir(directory) else []


def _spool_attempt(attempt: Attempt, spool_dir: Path) -> Path | None:
    """Write the attempt to a file on disk, else in memory; return the file, None if both fail."""
    try:
        return spool.save_attempt(spool_dir, attempt)
    except OSError as error:
        _log.info("%s: %s", spool_dir, error)
    fallback = spool.fallback_dir(os.geteuid())
    try:
        spool.make_private_dir(fallback)
        return spool.save_attempt(fallback, attempt)
    except OSError as error:
        _log.info("%s: %s", fallback, error)
    return None


def _store_attempt(attempt: Attempt, url: str) -> None:
    with open_writer(url) as connection:
        add_attempt(connection, attempt)


def _describe_location(attempt: Attempt, file: Path | None) -> str:
    """Describe where a run is that could not be stored; as a last resort it is in the message itself."""
    if file is None:
        return f"the run was measured, but cannot be written to any file: {msgspec.json.encode(attempt.run).decode()}"
    in_memory = file.parent == spool.fallback_dir(os.geteuid())
    return f"the run was measured and is kept in {file}{' (in memory: a reboot loses it)' if in_memory else ''}"
