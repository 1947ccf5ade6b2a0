"""Observes what `speedmon check` judges: engine, clock, disk and database, and the namespace from both sides.

Changes nothing. To check something new, observe it here, add a field in `model`, and judge it in `checks`.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.check.model import ObservedDatabase, ObservedMachine, ObservedNamespace
from monitor.config import paths
from monitor.diagnosis import diagnose
from monitor.engines import base, registry
from monitor.errors import StoreError
from monitor.store import database_file
from monitor.system import process
from monitor.system.confinement import Confinement, find_engine_user
from netns import inspect
from netns.entry import enter
from netns.entry.enter import read_own_rights
from netns.errors import NetnsError
from netns.inspect import OtherFirewalls
from netns.kernel.handle import is_entered, is_live
from netns.launcher import install
from netns.spec import GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from monitor.config.settings import CheckSettings, Settings
    from monitor.engines.base import EngineLocation
    from monitor.model import Failure
    from netns.inspect import HostSide
    from netns.spec import NamespaceSpec


# For `speedtest --version`, which may be read from a slow SD card.
VERSION_DEADLINE_S = 3.0

FIX_OWNER = "run as its owner, or set SPEEDMON_DATABASE_URL"

# struct timex of linux/timex.h is 208 bytes; zeroed, it reads and sets nothing. TIME_ERROR: not synchronised.
_TIMEX_BYTES, _TIME_ERROR = 208, 5


def observe_machine(settings: Settings, environ: Mapping[str, str], uid: int, now: datetime) -> ObservedMachine:
    """Return the state of the machine.

    Raises:
        UsageError: the settings name an unknown engine.
    """
    name, located, licence = _observe_engine(settings, environ, paths.state_dir(environ, uid))
    database = _observe_database(settings.database.url)
    folder = _nearest_existing(database.file.absolute().parent if database.file else paths.state_dir(environ, uid))
    return ObservedMachine(name, located, licence, now, _is_clock_synchronised(), folder, _free_bytes(folder), database)


def _observe_engine(
    settings: Settings, environ: Mapping[str, str], state_dir: Path
) -> tuple[str, EngineLocation, Failure | None]:
    """Return the engine that a test would use, where it is, and why the settings do not allow it."""
    env = {"PATH": base.DEFAULT_PATH, "HOME": "/", "LANG": "C.UTF-8"}
    confined = Confinement(find_engine_user(environ, state_dir))
    ask = partial(process.run, env=env, deadline_s=VERSION_DEADLINE_S, confined=confined)
    engine, located = registry.choose_engine(settings.collect.engine, settings, environ, ask)
    barred = engine.barred(settings)
    return engine.name, engine.locate(settings, environ, ask) if barred else located, barred


def _observe_database(url: str) -> ObservedDatabase:
    try:
        file = database_file.sqlite_path(url)
    except StoreError as error:
        return ObservedDatabase(problem=str(error), fix="set SPEEDMON_DATABASE_URL")
    if file is None:
        return ObservedDatabase()
    if problem := _find_obstacle(file):
        return ObservedDatabase(file, f"{file}: {problem}", FIX_OWNER)
    return _read_database(url, file) if file.is_file() and file.stat().st_size else ObservedDatabase(file)


def _find_obstacle(file: Path) -> str | None:
    """Return what prevents storing a run, also where folders would have to be created first; None if nothing does."""
    folder = _nearest_existing(file.absolute().parent)
    if (blocked := _find_blocker(folder, file.absolute())) is not None:
        return f"{blocked} is not a directory"
    if folder == file.absolute().parent:
        return database_file.write_obstacle(file)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return f"{folder} cannot be written"
    return None


def _find_blocker(folder: Path, file: Path) -> Path | None:
    """Return what is in the place of a folder on the path to the file, None where nothing is."""
    below = file.relative_to(folder).parts
    return folder / below[0] if len(below) > 1 and os.path.lexists(folder / below[0]) else None


def _read_database(url: str, file: Path) -> ObservedDatabase:
    # SQLAlchemy: `check` loads it only where there is a database.
    from monitor.store import maintenance, tables  # noqa: PLC0415  see above

    try:
        summary = maintenance.summarise_database(url)
    except StoreError as error:
        return ObservedDatabase(file, str(error), "run: speedmon db check")
    return ObservedDatabase(file, version=summary.version, current=tables.SCHEMA_VERSION, last_start=summary.last_start)


def _nearest_existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    # Path.is_dir would raise in a folder that this user may not search.
    return next(path for path in (folder, *folder.parents) if os.path.isdir(path) or path == path.parent)  # noqa: PTH112


def _free_bytes(folder: Path) -> int | None:
    try:
        usage = os.statvfs(folder)
    except OSError:
        return None
    return usage.f_bavail * usage.f_frsize


def _is_clock_synchronised() -> bool | None:
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR


def observe_namespace(spec: NamespaceSpec, settings: CheckSettings, environ: Mapping[str, str]) -> ObservedNamespace:
    """Return the state of the namespace of `spec`, and what was found inside."""
    live = is_live(spec.name)
    host_side = inspect.inspect_host_side(spec)
    entered = live and is_entered(spec.name)
    privileged = read_own_rights().may_join
    command, no_entry = _command_inside(spec.name, settings, environ)
    may_list = live and privileged and not entered
    before = inspect.inspect_rules(spec) if may_list else None
    result = (
        diagnose.gather_findings(command, _diagnosis_environment(), () if entered else settings.hosts)
        if command
        else diagnose.GatheredFindings(None, None, ())
    )
    after = inspect.inspect_rules(spec) if may_list else None
    return ObservedNamespace(
        spec=spec,
        dead=None if live else "; ".join(host_side.problems) or "it was created just now",
        entered=entered,
        privileged=privileged,
        no_entry=no_entry,
        launcher=install.read_launcher_state(Path(spec.launcher_path), GROUP, spec.name),
        outside=host_side,
        before=before,
        after=after,
        beside=_observe_other_firewalls(spec, host_side) if after and not after.problem else None,
        findings=result.findings,
        no_findings=result.problem,
        direct=result.direct,
    )


def _observe_other_firewalls(spec: NamespaceSpec, host_side: HostSide) -> OtherFirewalls:
    try:
        return inspect.inspect_other_firewalls(spec, host_side)
    except (NetnsError, OSError, subprocess.SubprocessError) as error:
        return OtherFirewalls(blocked=f"the rules of other firewalls cannot be read: {error}")


def _command_inside(
    name: str, settings: CheckSettings, environ: Mapping[str, str]
) -> tuple[list[str] | None, str | None]:
    """Return the command that looks at the network inside, or why the caller cannot enter."""
    try:
        return enter.build_command(
            name, diagnose.findings_command(settings.name, settings.hosts), environ=environ
        ), None
    except NetnsError as error:
        return None, str(error)


def _diagnosis_environment() -> dict[str, str]:
    return {"PATH": base.DEFAULT_PATH, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
