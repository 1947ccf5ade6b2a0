"""Judge the engine, its licence, the clock, the room on the disk and the database. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from monitor.check.line import Line, judged

if TYPE_CHECKING:
    from monitor.check.seen import Machine

# No clock that is right shows less: this program is younger.
BORN = datetime(2026, 1, 1, tzinfo=UTC)
# How far ahead of the clock the newest run may have begun.
TOLERANCE = timedelta(minutes=2)
ENOUGH_BYTES = 50 * 1024 * 1024
_SET_CLOCK = "set the clock, and let it be kept: sudo timedatectl set-ntp true"


def engine(seen: Machine) -> Line:
    """Judge that the engine is there and of the right kind."""
    failure = seen.located.failure
    if failure is None:
        version = f" {seen.located.version}" if seen.located.version else ""
        return Line("engine", ok=True, message=f"{seen.engine}{version}: {' '.join(seen.located.command)}")
    message, _, mend = failure.message.partition(": ")
    return Line("engine", ok=False, message=f"{seen.engine}: {message}", mend=mend or "see collect.engine")


def licence(seen: Machine) -> Line:
    """Judge that the engine's licence is accepted, where it has one that asks for it."""
    if seen.licence is None:
        return Line("licence", ok=True, message=f"{seen.engine} may be started")
    message, _, mend = seen.licence.message.partition(": ")
    return Line("licence", ok=False, message=message, mend=mend)


def clock(seen: Machine) -> Line:
    """Judge that the clock is neither before this program's time nor before the newest run's."""
    problems = []
    if seen.now < BORN:
        problems.append(f"it is not {seen.now:%Y-%m-%d}, for this release is younger")
    last = seen.database.last_start
    if last and last > seen.now + TOLERANCE:
        problems.append(f"the newest run began at {last:%Y-%m-%d %H:%M:%S} UTC, which is still to come")
    return judged("clock", problems, f"{seen.now:%Y-%m-%d %H:%M:%S} UTC", _SET_CLOCK)


def clock_kept(seen: Machine) -> Line:
    """Tell whether something keeps the clock right; a test can be trusted without, its time less so."""
    if seen.synchronised is None:
        return Line("clock-kept", ok=None, message="the kernel does not tell", matters=False)
    problems = [] if seen.synchronised else ["nothing synchronises the clock"]
    return judged("clock-kept", problems, "the clock is synchronised", _SET_CLOCK, matters=False)


def disk(seen: Machine) -> Line:
    """Judge that there is room for what is measured."""
    if seen.free_bytes is None:
        return Line("disk", ok=None, message=f"the room in {seen.folder} cannot be told")
    said = f"{seen.free_bytes // 1024**2} MiB free in {seen.folder}"
    problems = [] if seen.free_bytes >= ENOUGH_BYTES else [f"only {said}"]
    mend = f"free some, {ENOUGH_BYTES // 1024**2} MiB at least, or set SPEEDMON_DATABASE_URL"
    return judged("disk", problems, said, mend)


def database(seen: Machine) -> Line:
    """Judge that the result can be kept, in the schema of this release."""
    found = seen.database
    if found.problem:
        return Line("database", ok=False, message=found.problem, mend=found.mend)
    if found.file is None:
        return Line("database", ok=None, message="is not a file of this machine", mend="speedmon db check")
    if found.version is None:
        return Line("database", ok=True, message=f"{found.file} can be made by the first run")
    if found.wanted and found.version < found.wanted:
        said = f"{found.file} has schema {found.version}, which the next run upgrades to {found.wanted}"
        return Line("database", ok=True, message=said)
    if found.version != found.wanted:
        said = f"{found.file} has schema {found.version}, newer than this release, which knows {found.wanted}"
        return Line("database", ok=False, message=said, mend="install the release that wrote it")
    return Line("database", ok=True, message=f"{found.file} can be written, schema {found.version}")
