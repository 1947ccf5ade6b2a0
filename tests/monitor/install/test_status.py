"""The state of an installation: what counts as a problem, its exit code, and how it is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from monitor.analysis.line_condition import LineCondition
from monitor.install.status import InstallationStatus, UnitState, exit_code, find_problems, format_status
from monitor.model import Failure, FailureKind, NetworkPath, Run, Scope, Status, Trigger
from monitor.system.repairs import Repair

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def run(status: Status = Status.OK, age: timedelta = timedelta(minutes=20)) -> Run:
    """Return a run that ended this way."""
    failure = None if status is Status.OK else Failure(FailureKind.DNS, Scope.LINE, "engine", "no host")
    return Run(
        "id", "home", NOW - age, NOW - age, status, Trigger.SCHEDULE, NetworkPath.IP4ONLY, "ookla", failure=failure
    )


GOOD = InstallationStatus(
    at=NOW,
    version="1.0",
    installed_version="1.0",
    scheduler="serve",
    units=(
        UnitState("speedmon-serve.service", "active", "enabled"),
        UnitState("speedmon-netns.service", "inactive", "enabled"),
        UnitState("speedmon-report.service", "inactive", "static"),
    ),
    last_run=run(),
    next_test=NOW + timedelta(minutes=40),
    interval_s=3600,
    free_bytes=10**10,
    database_bytes=10**6,
    used_bytes=3 * 10**8,
)


def test_a_good_state_has_no_problem():
    """A oneshot that has ended is no problem."""
    assert (find_problems(GOOD), exit_code(GOOD)) == ([], 0)
    shown = "\n".join(format_status(GOOD, ZoneInfo("UTC")))
    assert "20 minutes ago" in shown
    assert "in 40 minutes" in shown
    assert "PROBLEM" not in shown


@pytest.mark.parametrize(
    ("changed", "code", "says"),
    [
        (
            {"units": (UnitState("speedmon-serve.service", "failed", "enabled"),)},
            1,
            "journalctl -u speedmon-serve.service",
        ),
        ({"units": (UnitState("speedmon-serve.service", "inactive", "enabled"),)}, 1, "is inactive"),
        ({"units": (UnitState("speedmon-netns.service", "failed", "enabled"),)}, 1, "speedmon-netns.service is failed"),
        ({"database_problem": "speedmon.db: permission denied"}, 1, "permission denied"),
        ({"free_bytes": 10**6}, 1, "free"),
        ({"namespace_problems": ("it does not exist",)}, 5, "it does not exist"),
        ({"last_run": run(Status.FAILED)}, 3, "no host"),
        ({"last_run": None}, 3, "no test yet"),
        ({"last_run": run(age=timedelta(hours=3))}, 3, "the last test was 3 hours ago"),
        ({"line": LineCondition.FAILING}, 3, "the line is failing"),
        ({"silent_since": NOW - timedelta(hours=7)}, 3, "nothing has been recorded for 7 h"),
        ({"silent_since": NOW - timedelta(hours=7), "scheduler": None}, 3, "nothing has been recorded for 7 h"),
        ({"address_problems": ("mailto://… takes no messages",)}, 1, "takes no messages"),
    ],
)
def test_a_problem_has_its_code_and_its_line(changed: dict[str, object], code: int, says: str):
    """A monitoring system sees the code, a person the line."""
    status = replace(GOOD, **changed)
    assert exit_code(status) == code
    assert any(line.startswith("PROBLEM") and says in line for line in format_status(status, ZoneInfo("UTC")))


def test_a_test_that_failed_for_want_of_a_namespace_is_no_second_problem():
    """The code is that of the namespace: the unit runs again once that is there."""
    units = (UnitState("speedmon-collect.service", "failed", "static"),)
    status = replace(GOOD, units=units, namespace_problems=("it does not exist",))
    assert exit_code(status) == 5
    assert [problem for _, problem in find_problems(status)] == ["it does not exist"]


def test_a_test_that_runs_is_not_overdue():
    """It takes a while, and the newest stored run is the one before."""
    status = replace(GOOD, last_run=run(age=timedelta(hours=3)), running_since=NOW - timedelta(minutes=1))
    assert exit_code(status) == 0


def test_the_line_and_what_waits_are_shown():
    """As the page shows the line; a spool that is closed to this user is not said to be empty."""
    status = replace(
        GOOD, line=LineCondition.SLOW, line_since=NOW - timedelta(hours=5), spooled=None, waiting=3, messages=2
    )
    shown = "\n".join(format_status(status, ZoneInfo("UTC")))
    assert "slow since 2026-05-01 07:00" in shown
    assert "not known how many in the spool, 3 for the fleet, 2 notifications" in shown
    assert exit_code(status) == 0


def test_a_pause_is_shown_in_place_of_the_next_test():
    """With its end, and what ends it."""
    shown = "\n".join(format_status(replace(GOOD, paused_until=NOW + timedelta(hours=2)), ZoneInfo("UTC")))
    assert "paused until 2026-05-01 14:00: run: speedmon resume" in shown


def test_an_older_installation_says_what_to_run():
    """After an upgrade of the program, `install` carries the rest over."""
    shown = "\n".join(format_status(replace(GOOD, installed_version="0.9"), ZoneInfo("UTC")))
    assert "installed as 0.9: run: sudo speedmon install" in shown


def test_repairs_are_listed_with_their_time():
    """What was mended, and when, in the zone of the display."""
    repair = Repair(NOW, "repair", "b", ("nft -j -f -  # 9 rules", "ip link set x up", "ip route add y"))
    shown = "\n".join(format_status(replace(GOOD, repairs=(repair,)), ZoneInfo("Europe/Berlin")))
    assert "2026-05-01 14:00 nft -j -f -  # 9 rules; ip link set x up and 1 more steps" in shown
