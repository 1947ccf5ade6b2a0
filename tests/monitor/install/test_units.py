"""The unit files and the crontab: this very program, no line that is not filled in, and a schedule that is kept."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from monitor.cli.collect import NOTIFY_VARIABLE
from monitor.config.settings import ScheduleSettings
from monitor.errors import UsageError
from monitor.install import units
from monitor.install.model import InstalledProgram, SchedulerKind

PROGRAM = InstalledProgram("/opt/my tools/bin/speedmon", "/opt/my tools/bin/python", "1.0")


def values(**schedule: object) -> units.UnitValues:
    """Return the values for a schedule."""
    settings = ScheduleSettings(**schedule)  # type: ignore[arg-type]
    return units.unit_values(PROGRAM, "ip4only", settings, deadline_s=900, minute=17)


@pytest.mark.parametrize("scheduler", [SchedulerKind.SERVE, SchedulerKind.TIMER, SchedulerKind.NONE])
def test_every_placeholder_is_filled_in(scheduler: SchedulerKind):
    """No @name@ is left, and each Exec line names the program that was installed."""
    for name, text in units.render_units(scheduler, values()).items():
        assert not re.search(r"@[a-z_]+@", text.replace("speedmon-collect@.service", "")), name
        for line in re.findall(r"^Exec(?:Start)=(.*)$", text, re.MULTILINE):
            assert line.startswith('"/opt/my tools/bin/') or line.startswith("/opt/my tools/bin/") is False, line


@pytest.mark.parametrize("scheduler", [SchedulerKind.SERVE, SchedulerKind.TIMER, SchedulerKind.NONE])
def test_messages_are_sent_over_the_network_of_the_host(scheduler: SchedulerKind):
    """By a unit of their own after each test, which does not send by itself; without the daemon also in between."""
    texts = units.render_units(scheduler, values())
    assert "NetworkNamespacePath=" not in texts[units.NOTIFY]
    for name in (units.COLLECT, units.ANSWER, units.UNABLE):
        assert f"OnSuccess={units.NOTIFY}" in texts[name].partition("[Service]")[0]
        assert f"Environment={NOTIFY_VARIABLE}=1" in texts[name]
    assert (units.NOTIFY_TIMER in units.ENABLED[scheduler]) is (scheduler is SchedulerKind.TIMER)
    assert units.NOTIFY in units.ALL_UNITS
    assert units.NOTIFY_TIMER in units.ALL_UNITS


def test_cron_sends_messages_too():
    """As the service's user, every quarter of an hour: silence is reported by no test."""
    (line,) = [line for line in units.render_crontab(values()).splitlines() if "notify run" in line]
    assert line.startswith("2-59/15 * * * * speedmon ")


def test_every_unit_is_stopped_by_a_removal():
    """A new unit has its place in the order, too."""
    assert {*units.STOP_ORDER} - {units.ANSWERS} == {*units.ALL_UNITS} - {units.ANSWER}


def test_a_path_with_blanks_stays_one_word():
    """Without quotes systemd splits at blanks, and expands % and $."""
    assert units.quote("/opt/my tools/speedmon") == '"/opt/my tools/speedmon"'
    assert units.quote('/opt/50%"$x') == '"/opt/50%%\\"$$x"'
    assert units.quote("/usr/local/bin/speedmon") == "/usr/local/bin/speedmon"


def test_each_relaxed_line_has_its_reason():
    """Whatever a hardened unit leaves out or loosens stands beside a comment that begins with Relaxed."""
    folder = resources.files("monitor.install").joinpath("units")
    for name in (
        "collect.part",
        "speedmon-serve.service",
        "speedmon-unable.service",
        "speedmon-report.service",
        "speedmon-notify.service",
    ):
        lines = folder.joinpath(name).read_text(encoding="utf-8").splitlines()
        for key in ("RestrictAddressFamilies=", "ReadWritePaths=", "UMask=0007"):
            for i in (i for i, line in enumerate(lines) if line.startswith(key)):
                above = "\n".join(lines[max(0, i - 3) : i])
                assert "# Relaxed:" in above, f"{name}: {lines[i]}"


@pytest.mark.parametrize(
    ("every_s", "calendar", "fields"),
    [
        (900, "*:2/15", "2-59/15 * * * *"),
        (3600, "*:17", "17 * * * *"),
        (7200, "0/2:17", "17 */2 * * *"),
        (86_400, "*-*-* 03:17", "17 3 * * *"),
        (60, "*:0/1", "0-59/1 * * * *"),
    ],
)
def test_intervals_become_times_of_this_machine(every_s: int, calendar: str, fields: str):
    """Many installations do not test in the same minute."""
    assert units.to_calendar(values(every_s=every_s)) == calendar
    assert units.to_cron_fields(values(every_s=every_s)) == fields


def test_what_a_timer_cannot_keep_is_refused():
    """An interval that divides neither hour nor day, and a cron expression."""
    with pytest.raises(UsageError, match=r"schedule\.every_s = 420"):
        units.to_calendar(values(every_s=420))
    with pytest.raises(UsageError, match=r"schedule\.every_s = 420"):
        units.to_cron_fields(values(every_s=420))
    with pytest.raises(UsageError, match="--scheduler serve or cron"):
        units.to_calendar(values(cron="*/5 * * * *"))


def test_the_crontab_mends_before_each_test():
    """One line for each test, so that no test starts before the namespace is there; % is escaped as cron wants it."""
    text = units.render_crontab(values(cron="*/20 6-23 * * *", jitter_s=30))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    test = next(line for line in lines if " collect " in line)
    assert test.startswith("*/20 6-23 * * * root sleep ")
    assert test.index("setup-netns") < test.index("collect")
    # What was uninstalled during the pause makes no new namespace.
    assert test.index("; [ -e /etc/cron.d/speedmon ] || exit 0; ") < test.index("setup-netns")
    assert not re.search(r"(?<!\\)%", text)
    assert any(line.startswith("@reboot root ") and "setup-netns" in line for line in lines)
    assert text.endswith("\n")
