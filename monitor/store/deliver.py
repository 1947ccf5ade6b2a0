"""Delivers a finished run: writes it to the spool, stores it, removes the file, then stores what else is spooled.

A run is stored only in the database whose folder of the spool it lies in. Of the folder that all databases shared in
earlier releases, a database takes the runs of those probes whose runs it has.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from monitor.errors import StoreBusyError, StoreError, StoreRejectedError
from monitor.store import spool
from monitor.store.connection import open_reader, open_writer
from monitor.store.database_file import DEFAULT_NAME, is_default, sqlite_path
from monitor.store.lookups import probe_names
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from monitor.model import Attempt
    from monitor.store.spool import Spool


# If somebody replaces the database again and again, it is not stored for ever.
MAX_TRIES = 3

_log = logging.getLogger(__name__)


def deliver_attempt(attempt: Attempt, url: str, spool_dir: Path) -> None:
    """Store an attempt, and earlier ones that are still in the spool.

    Args:
        attempt: the attempt.
        url: the URL of its database.
        spool_dir: the folder `spool` of the state directory.

    Raises:
        StoreError: it cannot be stored; the message names the file that keeps it until the next run stores it.
        StoreFullError: likewise, because there is no space; the file may be in memory.
    """
    waiting = spool.open_spool(spool_dir, url)
    deliver_kept(attempt, spool.keep_attempt(waiting, attempt, url), url, waiting)


def deliver_kept(attempt: Attempt, file: Path | None, url: str, waiting: Spool) -> None:
    """Store an attempt that is kept in a file (None: there is none), and earlier ones that are still in the spool.

    Raises:
        StoreError: as `deliver_attempt`.
    """
    try:
        _store_attempt(attempt, url)
    except StoreRejectedError as error:
        kept = _describe_location(attempt, file and spool.set_aside(file, error), waiting)
        raise type(error)(f"{error}; {kept}") from error
    except StoreError as error:
        next_run = "; the next run stores it" if file else ""
        raise type(error)(f"{error}; {_describe_location(attempt, file, waiting)}{next_run}") from error
    if file:
        spool.remove_file(file)
    _drain_leftovers(url, waiting)


def drain_spool(url: str, directory: Path, accept: Callable[[Attempt], bool] = lambda _: True) -> int:
    """Store the runs of a spool directory, oldest first; return their number.

    Args:
        url: the URL of the database.
        directory: the directory.
        accept: whether a run belongs into the database; others stay where they are.

    Raises:
        StoreError: they cannot be stored; those that were not stay where they are.
    """
    stored = 0
    for file, attempt in spool.load_attempts(directory):
        if not accept(attempt):
            _log.warning("%s: waits for a test of the database that has the probe %r", file, attempt.run.probe)
            continue
        try:
            _store_attempt(attempt, url)
        except StoreRejectedError as error:
            spool.set_aside(file, error)
            continue
        spool.remove_file(file)
        stored += 1
    return stored


def _drain_leftovers(url: str, waiting: Spool) -> None:
    """Store earlier runs; a problem with them is logged, for it is not an error of the run just stored."""
    try:
        for folder in waiting.folders:
            drain_spool(url, folder)
        for folder in waiting.shared_folders:
            drain_spool(url, folder, lambda attempt: _has_probe(url, attempt.run.probe, waiting))
    except (StoreError, OSError) as error:
        _log.warning("earlier runs are waiting in %s: %s", waiting.folder, error)


def _has_probe(url: str, probe: str, waiting: Spool) -> bool:
    """Whether a run of earlier releases belongs into a database: it has the probe, and the default one has it not."""
    state_dir = waiting.folder.parent.parent
    default = state_dir / DEFAULT_NAME
    if not is_default(url, state_dir) and default.exists():
        default_url = f"sqlite:///{quote(str(default.absolute()))}"
        return probe in _stored_probes(url) - _stored_probes(default_url)
    return probe in _stored_probes(url)


def _stored_probes(url: str) -> set[str]:
    with open_reader(url) as connection:
        return set(probe_names(connection))


def _store_attempt(attempt: Attempt, url: str) -> None:
    """Store an attempt; again, if the file of the database was removed or replaced meanwhile.

    Raises:
        StoreError: it cannot be stored.
    """
    file = sqlite_path(url)
    for _ in range(MAX_TRIES):
        before = _identify_file(file)
        with open_writer(url) as connection:
            add_attempt(connection, attempt)
        if _identify_file(file) == before or file is None:
            return
    raise StoreBusyError(f"{file}: is replaced again and again: let it be")


def _identify_file(file: Path | None) -> tuple[int, int] | None:
    """Return device and inode of a file; None where there is none."""
    try:
        status = file.stat() if file else None
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status else None


def _describe_location(attempt: Attempt, file: Path | None, waiting: Spool) -> str:
    """Describe where a run is that could not be stored; as a last resort it is in the message itself."""
    if file is None:
        return f"the run was measured, but cannot be written to any file: {msgspec.json.encode(attempt.run).decode()}"
    in_memory = file.parent == waiting.fallback
    return f"the run was measured and is kept in {file}{' (in memory: a reboot loses it)' if in_memory else ''}"
