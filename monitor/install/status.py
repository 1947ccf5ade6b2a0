"""The state of an installation: what is wrong with it, and how it is shown. Pure; `observe_status` reads it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.analysis.line_condition import LineCondition
from monitor.model import Run, Status, describe_failure
from monitor.output.units import (
    format_age,
    format_ahead,
    format_count,
    format_duration,
    format_megabytes,
    format_rate,
    format_table_time,
)
from monitor.system.repairs import Repair  # noqa: TC001  msgspec reads annotations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

# Exit codes for a monitoring system; the most severe one counts.
OK, BROKEN, TEST_FAILED, NO_NAMESPACE = 0, 1, 3, 5

# A test is overdue after this many intervals, and a while for its retries.
OVERDUE_INTERVALS = 2
OVERDUE_MARGIN = timedelta(minutes=30)

# With less free space the database will soon fail.
LOW_DISK_BYTES = 200 * 1000 * 1000

SHOWN_REPAIRS = 5


class UnitState(Struct, frozen=True):
    """A unit of ours as systemd sees it, such as active, inactive or failed."""

    name: str
    active: str
    enabled: str


class InstallationStatus(Struct, frozen=True):
    """What was read. A value is None where it is not known or does not apply.

    Attributes:
        version: of this program.
        installed_version: of the program that `install` set up.
        scheduler: what runs the tests.
        units: our units.
        last_run: the newest run of this probe; `running_since` the start of one that runs now.
        line: what can be said of the line, as on the page, and `line_since` from when on.
        silent_since: the end of the last test, where nothing has been recorded for `notify.stale_h`.
        next_test: when the next one is due; `interval_s` the seconds between two, `paused_until` the end of a pause.
        namespace_problems: why the namespace is not sound; empty: it is.
        spooled: runs that wait to be stored; `waiting` those that wait to be forwarded to the fleet.
        used_bytes, budget_bytes: the data used this month, and the limit.
        free_bytes: free space beside the database, `database_bytes` its size.
        database_problem: why it cannot be read.
        messages: notifications that wait; `address_problems` the addresses that take none, without their secrets.
        repairs: what was mended, newest first.
    """

    at: datetime
    version: str
    installed_version: str | None = None
    scheduler: str | None = None
    units: tuple[UnitState, ...] = ()
    last_run: Run | None = None
    running_since: datetime | None = None
    next_test: datetime | None = None
    interval_s: int | None = None
    paused_until: datetime | None = None
    namespace_problems: tuple[str, ...] = ()
    line: LineCondition = LineCondition.UNKNOWN
    line_since: datetime | None = None
    silent_since: datetime | None = None
    spooled: int | None = None
    waiting: int | None = None
    used_bytes: int | None = None
    budget_bytes: int | None = None
    free_bytes: int | None = None
    database_bytes: int | None = None
    database_problem: str | None = None
    messages: int | None = None
    address_problems: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()


def find_problems(status: InstallationStatus) -> list[tuple[int, str]]:
    """Return what is wrong, each with the exit code that stands for it."""
    return [
        *((BROKEN, f"{unit.name} is {unit.active}: see journalctl -u {unit.name}") for unit in _failed_units(status)),
        *_database_problems(status),
        *((NO_NAMESPACE, problem) for problem in status.namespace_problems),
        *((BROKEN, problem) for problem in status.address_problems),
        *_run_problems(status),
    ]


def exit_code(status: InstallationStatus) -> int:
    """Return the exit code: 0 all is well; 1 something does not run; 3 the line or its tests fail; 5 no namespace."""
    codes = {code for code, _ in find_problems(status)}
    return next((code for code in (BROKEN, NO_NAMESPACE, TEST_FAILED) if code in codes), OK)


def _failed_units(status: InstallationStatus) -> Iterator[UnitState]:
    """Yield the units that should run; a unit that fails because there is no namespace is no problem of its own."""
    for unit in status.units:
        needs_namespace = unit.name.endswith(("netns.service", "collect.service"))
        is_explained = needs_namespace and bool(status.namespace_problems)
        must_run = unit.enabled == "enabled" and not needs_namespace
        if (unit.active == "failed" and not is_explained) or (unit.active == "inactive" and must_run):
            yield unit


def _database_problems(status: InstallationStatus) -> Iterator[tuple[int, str]]:
    if status.database_problem:
        yield BROKEN, status.database_problem
    if status.free_bytes is not None and status.free_bytes < LOW_DISK_BYTES:
        yield BROKEN, f"only {format_megabytes(status.free_bytes)} free beside the database"


def _run_problems(status: InstallationStatus) -> Iterator[tuple[int, str]]:
    run = status.last_run
    if run is None:
        if not status.database_problem:
            yield TEST_FAILED, "no test yet: `speedmon collect` runs one"
        return
    if run.status in {Status.FAILED, Status.INTERRUPTED}:
        yield TEST_FAILED, f"the last test {run.status.value}: {describe_failure(run)}"
    elif status.line is LineCondition.FAILING:
        yield TEST_FAILED, "the line is failing: one good test does not prove yet that it works again"
    if status.silent_since is not None and status.running_since is None:
        yield TEST_FAILED, f"nothing has been recorded for {format_duration(_silence(status))}"
    elif status.interval_s and status.scheduler not in {None, "none"}:
        late = timedelta(seconds=OVERDUE_INTERVALS * status.interval_s) + OVERDUE_MARGIN
        if status.running_since is None and status.at - run.started_at > late:
            yield TEST_FAILED, f"the last test was {format_age(status.at - run.started_at)}"


def _silence(status: InstallationStatus) -> float:
    return (status.at - (status.silent_since or status.at)).total_seconds()


def format_status(status: InstallationStatus, zone: ZoneInfo) -> list[str]:
    """Return the state as lines: a name, and what is to be said."""
    rows = [
        ("version", _version_text(status)),
        ("scheduler", _scheduler_text(status)),
        ("line", _line_text(status, zone)),
        ("last test", _last_test_text(status, zone)),
        ("next test", _next_test_text(status, zone)),
        ("namespace", "; ".join(status.namespace_problems) or "sound"),
        ("waiting", _waiting_text(status)),
        ("data used", _data_text(status)),
        ("database", _database_text(status)),
        *(("repaired", _repair_text(repair, zone)) for repair in status.repairs[:SHOWN_REPAIRS]),
        *([] if status.repairs else [("repaired", "nothing")]),
        *(("PROBLEM", problem) for _, problem in find_problems(status)),
    ]
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {text}" for name, text in rows]


def _version_text(status: InstallationStatus) -> str:
    if status.installed_version in {None, status.version}:
        return status.version
    return f"{status.version}; installed as {status.installed_version}: run: sudo speedmon install"


def _scheduler_text(status: InstallationStatus) -> str:
    if status.scheduler is None:
        return "not installed: run: sudo speedmon install"
    states = ", ".join(f"{unit.name} {unit.active}" for unit in status.units if unit.enabled == "enabled")
    return f"{status.scheduler} ({states})" if states else status.scheduler


def _line_text(status: InstallationStatus, zone: ZoneInfo) -> str:
    since = f" since {format_table_time(status.line_since, zone)}" if status.line_since else ""
    return f"{status.line.value}{since}"


def _last_test_text(status: InstallationStatus, zone: ZoneInfo) -> str:
    running = f"one runs since {format_table_time(status.running_since, zone)}; " if status.running_since else ""
    run = status.last_run
    if run is None:
        return f"{running}none"
    when = f"{format_table_time(run.started_at, zone)} ({format_age(status.at - run.started_at)})"
    if run.status is not Status.OK:
        return f"{running}{when} {run.status.value}: {describe_failure(run)}"
    return f"{running}{when} ok, {format_rate(run.download_bps)} down, {format_rate(run.upload_bps)} up"


def _next_test_text(status: InstallationStatus, zone: ZoneInfo) -> str:
    if status.paused_until is not None:
        return f"paused until {format_table_time(status.paused_until, zone)}: run: speedmon resume"
    if status.next_test is None:
        return "not known" if status.scheduler not in {None, "none"} else "none is scheduled"
    ahead = status.next_test - status.at
    when = "is due" if ahead <= timedelta() else format_ahead(ahead)
    return f"{format_table_time(status.next_test, zone)} ({when})"


def _waiting_text(status: InstallationStatus) -> str:
    spooled = "not known how many" if status.spooled is None else str(status.spooled)
    fleet = "" if status.waiting is None else f", {status.waiting} for the fleet"
    messages = f", {format_count(status.messages, 'notification')}" if status.messages else ""
    return f"{spooled} in the spool{fleet}{messages}"


def _data_text(status: InstallationStatus) -> str:
    used = "not known" if status.used_bytes is None else format_megabytes(status.used_bytes)
    limit = f" of {format_megabytes(status.budget_bytes)}" if status.budget_bytes else ", no limit"
    return f"{used} this month{limit}"


def _database_text(status: InstallationStatus) -> str:
    if status.database_bytes is None:
        return status.database_problem or "not a file"
    free = "" if status.free_bytes is None else f", {format_megabytes(status.free_bytes)} free"
    return f"{format_megabytes(status.database_bytes)}{free}"


def _repair_text(repair: Repair, zone: ZoneInfo) -> str:
    shown = "; ".join(repair.steps[:2])
    more = f" and {len(repair.steps) - 2} more steps" if len(repair.steps) > 2 else ""  # noqa: PLR2004  those shown
    what = {"boot": "made at boot", "install": "made by install"}.get(repair.kind, f"{shown}{more}")
    return f"{format_table_time(repair.at, zone)} {what}"
