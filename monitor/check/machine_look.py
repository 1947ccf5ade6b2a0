"""Observe the machine for `speedmon check`: engine, clock, disk, database. Changes nothing; SQLAlchemy comes last."""

from __future__ import annotations

import ctypes
import os
from functools import partial
from typing import TYPE_CHECKING

from monitor import engines, home, paths, preflight, process
from monitor.check.seen import Database, Machine
from monitor.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from monitor.engines.model import Located
    from monitor.model import Failure
    from monitor.settings import Settings

# For `speedtest --version`, which may be read from a slow SD card.
ASK_DEADLINE_S = 3.0
OWNER = "run as its owner, or set SPEEDMON_DATABASE_URL"
# struct timex of linux/timex.h is 208 bytes; zeroed, it reads and sets nothing. TIME_ERROR: not synchronised.
_TIMEX_BYTES, _TIME_ERROR = 208, 5


def look(settings: Settings, environ: Mapping[str, str], uid: int, now: datetime) -> Machine:
    """Return the state of the machine.

    Raises:
        UsageError: the settings name an unknown engine.
    """
    name, located, licence = _engine(settings, environ)
    database = _database(settings.database.url)
    folder = _nearest(database.file.absolute().parent if database.file else paths.state_dir(environ, uid))
    return Machine(name, located, licence, now, _synchronised(), folder, _free_bytes(folder), database)


def _engine(settings: Settings, environ: Mapping[str, str]) -> tuple[str, Located, Failure | None]:
    """Return the engine that a test would use, where it is, and why the settings do not allow it."""
    env = {"PATH": home.PATH, "HOME": "/", "LANG": "C.UTF-8"}
    ask = partial(process.run, env=env, deadline_s=ASK_DEADLINE_S)
    engine, located = engines.choose(settings.collect.engine, settings, environ, ask)
    barred = engine.barred(settings)
    return engine.name, engine.locate(settings, environ, ask) if barred else located, barred


def _database(url: str) -> Database:
    try:
        file = preflight.file_of(url)
    except StoreError as error:
        return Database(problem=str(error), fix="set SPEEDMON_DATABASE_URL")
    if file is None:
        return Database()
    if problem := _obstacle(file):
        return Database(file, f"{file}: {problem}", OWNER)
    return _glance(url, file) if file.is_file() and file.stat().st_size else Database(file)


def _obstacle(file: Path) -> str | None:
    """Return what prevents storing a run, also where folders would have to be created first; None if nothing does."""
    folder = _nearest(file.absolute().parent)
    if (blocked := _blocked(folder, file.absolute())) is not None:
        return f"{blocked} is not a directory"
    if folder == file.absolute().parent:
        return preflight.obstacle(file)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return f"{folder} cannot be written"
    return None


def _blocked(folder: Path, file: Path) -> Path | None:
    """Return what is in the place of a folder on the path to the file, None where nothing is."""
    below = file.relative_to(folder).parts
    return folder / below[0] if len(below) > 1 and os.path.lexists(folder / below[0]) else None


def _glance(url: str, file: Path) -> Database:
    from monitor.store import check  # noqa: PLC0415  SQLAlchemy: only where there is a database
    from monitor.store.tables import SCHEMA_VERSION  # noqa: PLC0415  the same

    try:
        summary = check.glance(url)
    except StoreError as error:
        return Database(file, str(error), "run: speedmon db check")
    return Database(file, version=summary.version, current=SCHEMA_VERSION, last_start=summary.last_start)


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if os.path.isdir(path) or path == path.parent)  # noqa: PTH112  Path.is_dir raises where it may not look


def _free_bytes(folder: Path) -> int | None:
    try:
        usage = os.statvfs(folder)
    except OSError:
        return None
    return usage.f_bavail * usage.f_frsize


def _synchronised() -> bool | None:
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR
