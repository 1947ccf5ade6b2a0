"""Checks of the engine, its licence, the clock, the free disk space and the database. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from monitor.check.line import Line, judged

if TYPE_CHECKING:
    from monitor.check.seen import Machine

# A correct clock is later than this: the program was written after it.
BORN = datetime(2026, 1, 1, tzinfo=UTC)
# How far ahead of the clock the newest run may have started.
TOLERANCE = timedelta(minutes=2)
ENOUGH_BYTES = 50 * 1024 * 1024
_SET_CLOCK = "set the clock and keep it synchronised: sudo timedatectl set-ntp true"


def engine(observed: Machine) -> Line:
    """Check that the engine is installed and is the right program."""
    failure = observed.located.failure
    if failure is None:
        version = f" {observed.located.version}" if observed.located.version else ""
        return Line("engine", ok=True, message=f"{observed.engine}{version}: {' '.join(observed.located.command)}")
    message, _, fix = failure.message.partition(": ")
    return Line("engine", ok=False, message=f"{observed.engine}: {message}", fix=fix or "see collect.engine")


def licence(observed: Machine) -> Line:
    """Check that the engine's licence is accepted, where that is required."""
    if observed.licence is None:
        return Line("licence", ok=True, message=f"{observed.engine} may be started")
    message, _, fix = observed.licence.message.partition(": ")
    return Line("licence", ok=False, message=message, fix=fix)


def clock(observed: Machine) -> Line:
    """Check that the clock is neither before this release nor before the newest run."""
    problems = []
    if observed.now < BORN:
        problems.append(f"it cannot be {observed.now:%Y-%m-%d}: this release is newer")
    last = observed.database.last_start
    if last and last > observed.now + TOLERANCE:
        problems.append(f"the newest run started at {last:%Y-%m-%d %H:%M:%S} UTC, which is in the future")
    return judged("clock", problems, f"{observed.now:%Y-%m-%d %H:%M:%S} UTC", _SET_CLOCK)


def clock_kept(observed: Machine) -> Line:
    """Check that the clock is synchronised; without it a test is reliable, but its time less so."""
    if observed.synchronised is None:
        return Line("clock-kept", ok=None, message="the kernel does not report it", matters=False)
    problems = [] if observed.synchronised else ["nothing synchronises the clock"]
    return judged("clock-kept", problems, "the clock is synchronised", _SET_CLOCK, matters=False)


def disk(observed: Machine) -> Line:
    """Check that there is disk space for results."""
    if observed.free_bytes is None:
        return Line("disk", ok=None, message=f"the free space in {observed.folder} is not known")
    message = f"{observed.free_bytes // 1024**2} MiB free in {observed.folder}"
    problems = [] if observed.free_bytes >= ENOUGH_BYTES else [f"only {message}"]
    fix = f"free at least {ENOUGH_BYTES // 1024**2} MiB, or set SPEEDMON_DATABASE_URL"
    return judged("disk", problems, message, fix)


def database(observed: Machine) -> Line:
    """Check that results can be stored, in the schema of this release."""
    state = observed.database
    if state.problem:
        return Line("database", ok=False, message=state.problem, fix=state.fix)
    if state.file is None:
        return Line("database", ok=None, message="is not a file of this machine", fix="speedmon db check")
    if state.version is None:
        return Line("database", ok=True, message=f"{state.file} will be created by the first run")
    if state.current and state.version < state.current:
        message = f"{state.file} has schema {state.version}, which the next run upgrades to {state.current}"
        return Line("database", ok=True, message=message)
    if state.version != state.current:
        message = f"{state.file} has schema {state.version}, newer than this release, which knows {state.current}"
        return Line("database", ok=False, message=message, fix="install the release that wrote it")
    return Line("database", ok=True, message=f"{state.file} can be written, schema {state.version}")
