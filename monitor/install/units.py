"""The unit files and the crontab of an installation, filled in with the path of this very program.

Pure but for reading the templates. Those are `units/*`; a line that is `@name@` stands for the file `name.part`.
"""

from __future__ import annotations

import re
import shlex
from importlib import resources
from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.config import cron
from monitor.errors import UsageError
from monitor.install.model import COLLECT_SOCKET, CRON_FILE, REPAIR_LOG, STATE_DIRECTORY, SchedulerKind

if TYPE_CHECKING:
    from monitor.config.settings import ScheduleSettings
    from monitor.install.model import InstalledProgram

NETNS, COLLECT, UNABLE = "speedmon-netns.service", "speedmon-collect.service", "speedmon-unable.service"
TIMER, SOCKET, ANSWER = "speedmon-collect.timer", "speedmon-collect.socket", "speedmon-collect@.service"
SERVE, REPORT, REPORT_TIMER = "speedmon-serve.service", "speedmon-report.service", "speedmon-report.timer"
NOTIFY, NOTIFY_TIMER = "speedmon-notify.service", "speedmon-notify.timer"

COMMON_UNITS = (NOTIFY, NETNS, COLLECT, UNABLE, SERVE, REPORT, REPORT_TIMER)

# Units of each scheduler: those that are written, and those of them that are enabled.
UNITS = {
    SchedulerKind.SERVE: (*COMMON_UNITS, SOCKET, ANSWER),
    SchedulerKind.TIMER: (*COMMON_UNITS, SOCKET, ANSWER, TIMER, NOTIFY_TIMER),
    SchedulerKind.CRON: (),
    SchedulerKind.NONE: (*COMMON_UNITS, SOCKET, ANSWER),
}
ENABLED = {
    SchedulerKind.SERVE: (NETNS, SOCKET, SERVE, REPORT_TIMER),
    SchedulerKind.TIMER: (NETNS, SOCKET, TIMER, REPORT_TIMER, NOTIFY_TIMER),
    SchedulerKind.CRON: (),
    SchedulerKind.NONE: (NETNS, SOCKET),
}

# The tests that were asked for and run now, as `systemctl stop` names them.
ANSWERS = "speedmon-collect@*.service"

# Every unit that a version of speedmon has had; those that an installation does not need are removed.
ALL_UNITS = (*COMMON_UNITS, SOCKET, ANSWER, TIMER, NOTIFY_TIMER, "speedmon-netns.timer")

# What starts tests ends first.
STOP_ORDER = (
    *(TIMER, NOTIFY_TIMER, "speedmon-netns.timer", SERVE, SOCKET, REPORT_TIMER),
    *(ANSWERS, COLLECT, UNABLE, NOTIFY, REPORT, NETNS),
)

DAY_S, HOUR_S, MINUTE_S = 86_400, 3_600, 60

_PLACEHOLDER = re.compile(r"@([a-z_]+)@")
_PART = re.compile(r"^@(collect|strict)@$", re.MULTILINE)


class UnitValues(Struct, frozen=True):
    """What is filled in: the program, the namespace, the seconds that a test may take, and when tests are due."""

    program: InstalledProgram
    namespace: str
    deadline_s: int
    every_s: int
    jitter_s: int
    minute: int
    cron: str = ""


def unit_values(
    program: InstalledProgram, namespace: str, schedule: ScheduleSettings, *, deadline_s: int, minute: int
) -> UnitValues:
    """Return the values of the units for these settings."""
    return UnitValues(
        program=program,
        namespace=namespace,
        deadline_s=deadline_s,
        every_s=schedule.every_s,
        jitter_s=min(schedule.jitter_s, shortest_gap_s(schedule) // 2),
        minute=minute,
        cron=schedule.cron,
    )


def shortest_gap_s(schedule: ScheduleSettings) -> int:
    """Return the fewest seconds from one test to the next."""
    return cron.parse(schedule.cron).shortest_gap_s if schedule.cron else schedule.every_s


def render_units(scheduler: SchedulerKind, values: UnitValues) -> dict[str, str]:
    """Return each unit file that a scheduler needs, by name.

    Raises:
        UsageError: a timer cannot keep the schedule of the settings.
    """
    return {name: render_unit(name, scheduler, values) for name in UNITS[scheduler]}


def render_unit(name: str, scheduler: SchedulerKind, values: UnitValues) -> str:
    """Return one unit file."""
    scheduled = scheduler is SchedulerKind.TIMER
    texts = {
        "command": quote(values.program.command),
        "python": quote(values.program.python),
        "namespace": values.namespace,
        "deadline_s": str(values.deadline_s),
        "trigger": "schedule" if scheduled else "cli",
        "socket": COLLECT_SOCKET,
        "state": STATE_DIRECTORY,
        "repair_log": REPAIR_LOG,
    }
    if name == TIMER:
        texts |= {
            "calendar": to_calendar(values),
            "every": describe_interval(values.every_s),
            "jitter_s": str(values.jitter_s),
        }
    template = _PART.sub(lambda part: _read_template(f"{part[1]}.part").rstrip("\n"), _read_template(name))
    return _PLACEHOLDER.sub(lambda mark: texts[mark[1]], template)


def _read_template(name: str) -> str:
    return resources.files("monitor.install").joinpath("units", name).read_text(encoding="utf-8")


def quote(path: str) -> str:
    """Return a path as one word of an Exec line: systemd expands % and reads quotes and backslashes as C does."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != path or " " in path or "'" in path else path


def to_calendar(values: UnitValues) -> str:
    """Return the calendar expression of a timer for `every_s`.

    Raises:
        UsageError: tests are due at times that a calendar expression cannot name.
    """
    if values.cron:
        raise UsageError(
            "schedule.cron is kept by --scheduler serve or cron; for a timer, set schedule.every_s instead"
        )
    every, minute = values.every_s, values.minute
    if every % MINUTE_S == 0 and HOUR_S % every == 0:
        step = every // MINUTE_S
        return f"*:{minute % step}/{step}" if step < HOUR_S // MINUTE_S else f"*:{minute:02}"
    if every % HOUR_S == 0 and DAY_S % every == 0:
        return f"0/{every // HOUR_S}:{minute:02}" if every < DAY_S else f"*-*-* 03:{minute:02}"
    raise UsageError(
        f"schedule.every_s = {every} does not divide an hour or a day into whole minutes, which a timer and cron need:"
        " choose another, such as 900, or --scheduler serve"
    )


def to_cron_fields(values: UnitValues) -> str:
    """Return the five fields of a crontab line for the schedule.

    Raises:
        UsageError: tests are due at times that cron cannot name.
    """
    if values.cron:
        return values.cron
    every, minute = values.every_s, values.minute
    if every % MINUTE_S == 0 and HOUR_S % every == 0:
        step = every // MINUTE_S
        return f"{minute % step}-59/{step} * * * *" if step < HOUR_S // MINUTE_S else f"{minute} * * * *"
    if every % HOUR_S == 0 and DAY_S % every == 0:
        return f"{minute} */{every // HOUR_S} * * *" if every < DAY_S else f"{minute} 3 * * *"
    to_calendar(values)  # raises: a timer and cron have the same limits
    return ""


def describe_interval(every_s: int) -> str:
    """Return an interval in words, such as "every 15 minutes"."""
    for unit_s, name in ((DAY_S, "day"), (HOUR_S, "hour"), (MINUTE_S, "minute")):
        if every_s % unit_s == 0:
            count = every_s // unit_s
            return f"every {name}" if count == 1 else f"every {count} {name}s"
    return f"every {every_s} seconds"


def render_crontab(values: UnitValues) -> str:
    """Return /etc/cron.d/speedmon: the namespace at boot and before each test, tests, messages, the report.

    Raises:
        UsageError: tests are due at times that cron cannot name.
    """
    # In a crontab, % ends the command.
    command = shlex.quote(values.program.command).replace("%", r"\%")
    mend = f"{command} setup-netns -q --no-launcher --wait 60 --log {REPAIR_LOG}"
    # It may be uninstalled during the pause.
    pause = f"sleep {_random_seconds(values.jitter_s)}; " if values.jitter_s else ""
    jitter = f"{pause}[ -e {CRON_FILE} ] || exit 0; "
    at = to_cron_fields(values)
    minute = (values.minute + 13) % 60
    www = f"--days 30 --output-dir {STATE_DIRECTORY}/www"
    return f"""\
# Internet speed tests over IPv4 only, written by `speedmon install --scheduler cron`. Root mends the namespace and
# enters it; the engine itself runs as the user speedmon. `-q` prints nothing unless a test fails.
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
STATE_DIRECTORY={STATE_DIRECTORY}
CACHE_DIRECTORY=/var/cache/speedmon
@reboot root {mend}
{at} root {jitter}{mend}; SUDO_UID=$(id -u speedmon) SUDO_GID=$(id -g speedmon) {command} collect -q --trigger schedule
{values.minute % 15}-59/15 * * * * speedmon {command} notify run -q
{minute} * * * * speedmon {command} graph -q --kind all {www} && {command} report -q {www}
"""


def _random_seconds(limit: int) -> str:
    """Return a number below `limit` for /bin/sh, which has no $RANDOM."""
    return f"$((0x$(od -An -N3 -tx1 /dev/urandom | tr -d ' ') \\% {limit}))"
