"""The attempts of one request: complete tests with Ookla's stand-in, from the command line or in this process."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from installation import DNS, HEAVY, STREAM, Installation, make_installation
from msgspec.structs import replace

from monitor.collect import measure, state
from monitor.collect.collector import collect, make_request
from monitor.collect.measure import Runtime
from monitor.collect.state import Backoff, CollectState
from monitor.config.settings import BudgetSettings, RetrySettings, ScheduleSettings, ServersSettings, Settings
from monitor.errors import ConfigError
from monitor.model import Doubt, Failure, FailureKind, Run, Scope, Status, Trigger
from monitor.store import pause

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"stdout": STREAM}

NO_NAME = {"stderr": DNS, "exit_code": 2}

LIMITED = {"exit_code": 173}

GONE = {"stderr": "[error] Configuration - No servers defined (NoServersException)", "exit_code": 2}

REFUSED = {"stderr": "[error] Server Selection - Connection refused", "exit_code": 2}

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

LIST = '{"type":"serverList","servers":[{"id":1234,"name":"A"},{"id":7,"name":"B"},{"id":8,"name":"C"}]}'


@pytest.fixture
def site(tmp_path: Path) -> Installation:
    """Return a site that confirms failures at once."""
    return make_installation(tmp_path, "confirm_s = 0")


def run(
    site: Installation, request: dict[str, Any] | None = None, now: datetime = NOW, **sections: Any
) -> tuple[Run, int]:
    """Collect once in this process, with other sections in the settings."""
    settings = settings_of(site, **sections)
    arguments = {"engine": None, "path": None, "server_id": None, "trigger": Trigger.CLI} | (request or {})
    return collect(
        settings,
        make_request(settings, **arguments),
        Runtime(site.environ, 0, clock=lambda: now, boot_clock=lambda: 0.0),
    )


def settings_of(site: Installation, **sections: Any) -> Settings:
    """Return the site's settings with two attempts and no waiting, and other sections."""
    return replace(site.settings(), **({"retry": RetrySettings(confirm_s=0)} | sections))


def remembered(site: Installation) -> CollectState:
    """Return what the site remembers."""
    return state.load_state(memory_of(site))


def memory_of(site: Installation) -> Path:
    """Return the file in which the site remembers."""
    settings = site.settings()
    return state.state_file(site.folder / "state", settings.database.url, settings.probe.name)


def named_servers(site: Installation) -> list[str]:
    """Return the server that each start of the stand-in was given, "" for none."""
    words = [[word for word in start["argv"] if "server-id" in word] for start in site.starts()]
    return [word[0].partition("=")[2] if word else "" for word in words]


def test_a_failure_of_the_line_is_confirmed(site: Installation):
    """A second row follows the first, is linked to it, and its exit code counts; each attempt is one line."""
    site.script(**NO_NAME, then=[GOOD])
    code, out, err = site.finish()
    second, first = site.rows()
    assert (code, out.count("\n"), err.count("\n")) == (0, 1, 1)
    assert (first.status, first.attempt, first.retry_of, first.trigger) == (Status.FAILED, 1, None, Trigger.CLI)
    assert (second.status, second.attempt, second.retry_of, second.trigger) == (Status.OK, 2, first.id, Trigger.RETRY)


def test_a_dead_line_is_tried_twice(site: Installation):
    """Two failures are two rows and no more."""
    site.script(**NO_NAME)
    assert run(site, retry=RetrySettings(attempts=4, confirm_s=0))[1] == 3
    assert [row.attempt for row in site.rows()] == [2, 1]


def test_no_retry(site: Installation):
    """--no-retry leaves it at one test."""
    site.script(**NO_NAME)
    assert site.finish("-q", "--no-retry")[0] == 3
    assert len(site.rows()) == 1


@pytest.mark.parametrize("script", [{"signal": 9}, {"version": "speedtest-cli 2.1.3\n"}])
def test_no_retry_where_a_second_test_cannot_help(site: Installation, script: dict[str, object]):
    """Trouble of this machine or its configuration is one row."""
    site.script(**script)
    run(site)
    assert len(site.rows()) == 1


def test_sigterm_ends_the_wait_between_attempts(site: Installation):
    """A signal while nothing runs ends the series at once, with 128 + its number and no further row."""
    site.script(**NO_NAME)
    site_environ = site.environ | {"SPEEDMON_RETRY__CONFIRM_S": "600"}
    command = [sys.executable, "-m", "monitor", "collect", "-q"]
    with subprocess.Popen(command, env=site_environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().endswith("; retry in 600 s\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert len(site.rows()) == 1


@pytest.mark.parametrize("script", [GONE, REFUSED])
def test_a_pinned_server_that_is_gone(site: Installation, script: dict[str, object]):
    """The engine chooses, the row says so, and the result is as good as any; the failure counts against the server."""
    site.script(**script, then=[GOOD])
    stored, code = run(site, {"server_id": "42"})
    first = site.rows()[1]
    assert (code, named_servers(site), [remark.kind for remark in stored.remarks]) == (
        0,
        ["42", ""],
        [Doubt.SERVER_FALLBACK],
    )
    assert (stored.healthy, first.server and first.server.id) == (True, "42")


def test_a_rate_limit_is_remembered_by_the_next_process(site: Installation):
    """The engine is left alone, the slot is a skipped row that says until when, and the exit code is 4."""
    site.script(**LIMITED)
    assert site.finish("-q")[0] == 3
    code, _, err = site.finish("-q")
    assert (code, len(site.starts()), [row.status for row in site.rows()]) == (4, 1, [Status.SKIPPED, Status.FAILED])
    assert "engine ookla is in back-off until 20" in err
    failure = site.rows()[0].failure
    assert failure is not None
    assert failure.stage == "silenced"


def test_anyway(site: Installation):
    """Somebody who insists gets a test from an engine that rests."""
    site.script(**LIMITED, then=[GOOD])
    assert [site.finish("-q")[0], site.finish("-q", "--anyway")[0]] == [3, 0]


def test_a_rest_ends(site: Installation):
    """After its rest the engine is used again; a success is the end of it, a failure doubles the next."""
    site.script(**LIMITED, then=[LIMITED, GOOD])
    run(site)
    run(site, now=NOW + timedelta(hours=4))
    assert remembered(site).rests["ookla"].until == int((NOW + timedelta(hours=12)).timestamp())
    assert run(site, now=NOW + timedelta(hours=12))[1] == 0
    assert remembered(site).rests == {}


def test_auto_lets_another_engine_take_over(site: Installation):
    """While Ookla's rests, speedtest-cli measures: at once, and in the next process; both rows say why."""
    site.script(**LIMITED)
    command = [sys.executable, "-m", "monitor", "collect", "--engine", "auto"]
    inside = ["unshare", "--user", "--map-root-user", "--net", *command]
    for _ in range(2):
        environ = site.environ | {"SPEEDMON_RETRY__ATTEMPTS": "2"}
        subprocess.run(inside, env=environ, capture_output=True, check=False, timeout=120)
    rows = site.rows()[::-1]
    assert [row.engine for row in rows[:3]] == ["ookla", "speedtest-cli", "speedtest-cli"]
    assert [row.attempt for row in rows[:3]] == [1, 2, 1]
    assert all("took its place" in row.remarks[0].message for row in rows[1:])
    assert len(site.starts()) == 1


def test_nobody_left_to_measure(site: Installation):
    """When every engine of auto rests, the slot is skipped."""
    rest = Backoff(int(NOW.timestamp()), int(NOW.timestamp()) + 60, FailureKind.PROVIDER_DOWN)
    state.save_state(memory_of(site), CollectState({"ookla": rest, "speedtest-cli": rest}))
    stored, code = run(site, {"engine": "auto"})
    assert (code, stored.failure and stored.failure.stage, site.starts()) == (4, "silenced", [])


def test_a_broken_state_file_is_reported_and_replaced(site: Installation):
    """A broken file stops no test; the next one finds a complete file."""
    (site.folder / "state").mkdir()
    memory_of(site).write_text("{")
    site.script(**LIMITED)
    code, _, err = site.finish("-q")
    assert code == 3
    assert f"{memory_of(site)}: was not written by speedmon" in err
    assert list(remembered(site).rests) == ["ookla"]


def test_a_result_far_below_the_plan(site: Installation):
    """A second test names another server of the engine's list, and its row says what made it."""
    site.script(**GOOD, servers=LIST)
    run(site, retry=RetrySettings(second_below_pct=95))
    second, first = site.rows()
    assert (first.server and first.server.id, named_servers(site)) == ("1234", ["", "7"])
    assert (second.attempt, second.healthy, second.remarks[0].kind) == (2, True, Doubt.SECOND_TEST)
    assert "93 % of the expected download" in second.remarks[0].message


def test_a_result_far_below_the_median(site: Installation):
    """Without a plan the newest results are the measure, once there are five."""
    better = STREAM.replace('"bandwidth":11644000', '"bandwidth":99000000')
    assert better != STREAM
    site.script(stdout=better, then=[{"stdout": better}] * 4 + [GOOD])
    settings = {"retry": RetrySettings(second_below_pct=50), "plan": replace(site.settings().plan, download_mbps=0)}
    for day in range(6):
        run(site, now=NOW + timedelta(days=day), **settings)
    assert [row.attempt for row in site.rows()] == [2, 1, 1, 1, 1, 1, 1]


def test_a_denied_server_is_passed_over(site: Installation):
    """Ookla's CLI is given the first server of its own list that is not denied."""
    site.script(**GOOD, servers=LIST)
    run(site, servers=ServersSettings(deny=["1234", "7"]))
    assert named_servers(site) == ["8"]


def test_a_denied_server_that_was_measured_is_reported(site: Installation):
    """Where the list cannot be had the engine chooses; a result against a denied server is not healthy."""
    site.script(**GOOD)
    chosen = run(site)[0].server
    assert chosen is not None
    stored, code = run(site, servers=ServersSettings(deny=[str(chosen.id)]))
    assert (code, stored.healthy, [remark.kind for remark in stored.remarks]) == (0, False, [Doubt.SERVER_DENIED])


def test_a_rotation(site: Installation):
    """Each test takes the next server that is not denied, one process after the other."""
    site.script(**GOOD)
    for _ in range(3):
        run(site, servers=ServersSettings("rotation", ["1", "2", "3"], deny=["2"]))
    assert named_servers(site) == ["1", "3", "1"]


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        (ServersSettings("rotation"), "needs servers.ids"),
        (ServersSettings("rotation", ["1"], ["1"]), "needs servers.ids"),
        (ServersSettings("pinned"), "needs collect.server_id"),
        (ServersSettings("pinned", ["1"], ["1"]), "server 1 is both pinned and in servers.deny"),
    ],
)
def test_a_policy_without_its_servers(site: Installation, servers: ServersSettings, words: str):
    """A policy that cannot be followed is a mistake in the configuration, reported before anything starts."""
    with pytest.raises(ConfigError, match=words):
        run(site, servers=servers)


def test_the_budget_stops_tests_until_the_month_ends(site: Installation):
    """The test after the one that used it up is skipped and recorded; the next month begins anew."""
    site.script(**GOOD)
    budget = {"budget": BudgetSettings(0.05), "display": replace(site.settings().display, timezone="UTC")}
    assert [run(site, **budget)[1], run(site, **budget)[1]] == [0, 4]
    failure = site.rows()[0].failure
    assert failure is not None
    assert failure.stage == "budget"
    assert "of 0.05 GB (budget.month_gb)" in failure.message
    assert run(site, now=NOW + timedelta(days=8), **budget)[1] == 0


def test_a_wrong_zone_of_quiet_hours_is_blamed_on_the_schedule(site: Installation):
    """The zone of quiet hours is `schedule.timezone`, so an error names that setting, not `display.timezone`."""
    schedule = ScheduleSettings(quiet=["11:00-13:00"], timezone="Mars/Olympus")
    with pytest.raises(ConfigError, match=r"^schedule\.timezone: unknown time zone 'Mars/Olympus'"):
        run(site, {"trigger": Trigger.SCHEDULE}, schedule=schedule)


def test_quiet_hours_are_the_schedules(site: Installation):
    """A slot in quiet hours is a skipped row; in another zone it is day."""
    site.script(**GOOD)
    scheduled = {"trigger": Trigger.SCHEDULE}
    stored, code = run(site, scheduled, schedule=ScheduleSettings(quiet=["11:00-13:00"]))
    assert (code, stored.failure and stored.failure.stage, stored.trigger) == (4, "quiet_hours", Trigger.SCHEDULE)
    assert run(site, scheduled, schedule=ScheduleSettings(quiet=["11:00-13:00"], timezone="Asia/Tokyo"))[1] == 0


def test_a_pause_skips_scheduled_tests_only(site: Installation):
    """Its row names the end and the reason; a person still gets a test, and the schedule measures after the end."""
    site.script(**GOOD)
    scheduled = {"trigger": Trigger.SCHEDULE}
    file = pause.pause_file(site.url, site.environ, 0)
    pause.save_pause(file, pause.make_pause(NOW, timedelta(hours=2), "moving house"))
    stored, code = run(site, scheduled)
    assert (code, stored.status, stored.failure and stored.failure.stage) == (4, Status.SKIPPED, "paused")
    assert stored.failure is not None
    assert stored.failure.message == ("paused until 2026-11-23T14:00:00Z (`speedmon resume` ends it): moving house")
    assert run(site)[1] == 0
    assert run(site, scheduled, now=NOW + timedelta(hours=2))[1] == 0
    pause.end_pause(file)
    assert run(site, scheduled)[1] == 0


def test_an_engine_that_was_passed_over_is_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """How to accept its licence is said at the first test, and never again."""
    licence = Failure(FailureKind.LICENCE, Scope.CONFIG, "start", "set ookla.accept_license = true")
    for _ in range(3):
        measure.note_once(licence, "speedtest-cli", tmp_path / "state")
    assert [record.getMessage() for record in caplog.records] == [
        "measured by speedtest-cli: set ookla.accept_license = true"
    ]


def test_policies_import_nothing_heavy_before_the_engine(site: Installation):
    """Budget, quiet hours and rests cost no library before the engine starts."""
    imported = site.imports(SPEEDMON_BUDGET__MONTH_GB="5", SPEEDMON_SCHEDULE__QUIET="01:00-01:01")
    assert not HEAVY & imported
