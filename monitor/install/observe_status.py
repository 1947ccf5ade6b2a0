"""Reads the state of an installation, as far as this user may. Changes nothing."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from monitor.analysis.line_condition import StateLimits, find_silence, judge_line
from monitor.config.paths import state_dir
from monitor.errors import InstallError, StoreError
from monitor.install import model, units
from monitor.install.observe import SYSTEMD_RUNS, read_record, run_systemctl
from monitor.install.status import InstallationStatus, UnitState
from monitor.model import NetworkPath
from monitor.store import database_file, forwarding, spool
from monitor.store.connection import open_reader
from monitor.store.lookups import find_probe_pk
from monitor.store.read import latest_runs
from monitor.store.statistics import data_used_this_month, plans_of_runs
from monitor.system.installation import version_line
from monitor.system.repairs import read_repairs
from netns.entry.enter import find_problems

if TYPE_CHECKING:
    from monitor.config.settings import Settings
    from monitor.store.connection import Connection

BYTES_PER_GB = 1_000_000_000

# As many runs as the page judges the line by.
LINE_RUNS = 300


def observe_status(settings: Settings) -> InstallationStatus:
    """Return the state now, but for a running test and the next one, which the schedule knows."""
    record = read_record()
    is_namespaced = settings.collect.path == NetworkPath.IP4ONLY.value
    status = InstallationStatus(
        at=datetime.now(UTC).replace(microsecond=0),
        version=version_line(),
        installed_version=record.version if record else None,
        scheduler=record.scheduler.value if record else None,
        units=_read_units() if record and SYSTEMD_RUNS.is_dir() else (),
        interval_s=settings.schedule.every_s,
        namespace_problems=tuple(find_problems(settings.namespace.name)) if is_namespaced else (),
        spooled=_count_spooled(),
        budget_bytes=round(settings.budget.month_gb * BYTES_PER_GB) or None,
        repairs=tuple(reversed(read_repairs(Path(model.REPAIR_LOG)))),
    )
    return _with_database(status, settings)


def _with_database(status: InstallationStatus, settings: Settings) -> InstallationStatus:
    try:
        with open_reader(settings.database.url) as connection:
            status = _with_runs(connection, status, settings)
            waiting = forwarding.count_waiting(connection).runs if settings.fleet.database_url else None
        used = data_used_this_month(settings, status.at).bytes
    except StoreError as error:
        return replace(status, database_problem=str(error))
    file = database_file.sqlite_path(settings.database.url)
    return replace(
        status,
        waiting=waiting,
        used_bytes=used,
        database_bytes=file.stat().st_size if file else None,
        free_bytes=shutil.disk_usage(file.parent).free if file else None,
    )


def _with_runs(connection: Connection, status: InstallationStatus, settings: Settings) -> InstallationStatus:
    """Return the status with the state of the line, by the runs of this probe; a reading side has those of others."""
    own = find_probe_pk(connection, settings.probe.name)
    newest_first = latest_runs(connection, limit=LINE_RUNS, probes=() if own is None else (own,))
    if not newest_first:
        return status
    of_probe = [run for run in newest_first if run.probe == newest_first[0].probe]
    limits, plans = StateLimits.from_settings(settings), plans_of_runs(connection, of_probe)
    line = judge_line(of_probe, plans, status.at, limits)
    silent = find_silence(of_probe, status.at, limits)
    return replace(status, last_run=of_probe[0], line=line.state, line_since=line.since, silent_since=silent)


def _count_spooled() -> int | None:
    folders = {state_dir(os.environ, os.geteuid()) / "spool", Path(model.STATE_DIRECTORY, "spool")}
    try:
        return sum(len(spool.load_attempts(folder)) for folder in folders)
    except OSError:  # the service's own folder is closed to others
        return None


def _read_units() -> tuple[UnitState, ...]:
    known = [unit for unit in units.ALL_UNITS if "@" not in unit]
    try:
        shown = run_systemctl("show", "--property=Id,LoadState,UnitFileState,ActiveState", *known)
    except (InstallError, OSError):  # systemd does not answer; the rest is worth showing
        return ()
    states = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip().split("\n\n")]
    return tuple(
        UnitState(state["Id"], state["ActiveState"], state["UnitFileState"])
        for state in states
        if state["LoadState"] == "loaded"
    )
