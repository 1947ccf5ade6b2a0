"""Scheduled tests against a real store: every slot leaves a run."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import MEASURED, make_attempt
from msgspec.structs import replace
from serve_process import wait_for

from monitor.config.settings import CollectSettings, DatabaseSettings, ProbeSettings, ScheduleSettings, Settings
from monitor.errors import ConfigError, StoreError
from monitor.model import FailureKind, Run, Scope, Status, Trigger
from monitor.scheduler.daemon import Daemon, load_starts, note_start, prepare_database
from monitor.scheduler.upcoming import upcoming_slots
from monitor.store import read
from monitor.store.connection import is_schema_current, open_reader, open_writer
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE_S = 120

EVERY_SECOND = ScheduleSettings(every_s=1, jitter_s=0)

# As much of them as is looked at before anything is upgraded.
MANY_RUNS_OF_0004 = """
CREATE TABLE alembic_version (version_num TEXT);
INSERT INTO alembic_version VALUES ('0004');
CREATE TABLE runs (pk INTEGER);
INSERT INTO runs WITH RECURSIVE n (pk) AS (SELECT 1 UNION ALL SELECT pk + 1 FROM n LIMIT 10001) SELECT pk FROM n;
"""


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of an empty store, with the spool beside it."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    database = f"sqlite:///{tmp_path}/speedmon.db"
    with open_writer(database):
        return database


@pytest.fixture
def start(url: str) -> Iterator[Callable[..., Daemon]]:
    """Yield a function that starts a daemon whose slots run a shell script."""
    daemons: list[Daemon] = []

    def started(script: str, schedule: ScheduleSettings = EVERY_SECOND) -> Daemon:
        settings = Settings(
            probe=ProbeSettings("home"),
            collect=CollectSettings(engine="ookla", path="host"),
            schedule=schedule,
            database=DatabaseSettings(url),
        )
        daemons.append(Daemon(settings, None, ["/bin/sh", "-c", script]))
        daemons[-1].start()
        return daemons[-1]

    yield started
    for daemon in daemons:
        daemon.stop()
        daemon.finish(0)


def first_run(url: str) -> Run:
    """Wait for the first run of the store and return it."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with open_reader(url) as connection:
            for run in read.latest_runs(connection, limit=100)[-1:]:
                return run
        time.sleep(0.05)
    raise AssertionError("no row was stored")


def test_a_slot_during_a_test_is_stored_as_skipped(url: str, start: Callable[..., Daemon]):
    """The run says when, that the schedule asked for it, and why there was no test."""
    start("sleep 60")
    run = first_run(url)
    assert (run.probe, run.status, run.trigger, run.path, run.engine) == (
        "home",
        Status.SKIPPED,
        Trigger.SCHEDULE,
        "host",
        "ookla",
    )
    assert run.failure is not None
    assert (run.failure.kind, run.failure.scope, run.failure.stage) == (FailureKind.UNKNOWN, Scope.LOCAL, "schedule")
    assert run.failure.message == "no test at this time: the previous test was still running"


def test_a_test_that_breaks_is_stored_with_its_last_line(url: str, start: Callable[..., Daemon]):
    """A child that ended without storing a run gets one with its error message."""
    start("echo 'speedmon: out of order' >&2; exit 1")
    failure = first_run(url).failure
    assert failure is not None
    assert failure.message.endswith("ended with exit 1 without a result: out of order")


def test_a_test_that_stored_its_run_gets_no_second_one(
    url: str, start: Callable[..., Daemon], caplog: pytest.LogCaptureFixture
):
    """A child that stored a run before it ended badly is logged only."""
    far_ahead = MEASURED.started_at.replace(year=2100)
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(started_at=far_ahead, finished_at=far_ahead))
    start("exit 143")
    deadline = time.monotonic() + DEADLINE_S
    while not caplog.records and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "scheduled test: the test ended with exit 143" in caplog.text
    with open_reader(url) as connection:
        assert read.count_runs(connection) == 1


WAITS_FOR_THE_PIPE = "cd $STATE_DIRECTORY; touch began; read x <pipe; exit 3"

HOLDS_THE_TURN = 'cd "$STATE_DIRECTORY"; mkdir turn || echo two >both; echo $0 >>ran; sleep 0.05; rmdir turn'


def several(url: str, *schedules: ScheduleSettings) -> Settings:
    """Return settings with these schedules."""
    return Settings(database=DatabaseSettings(url), schedule=schedules[0], named_schedules=schedules)


def test_several_schedules_take_turns(url: str, tmp_path: Path):
    """Each keeps its own slots, and no two tests run at once."""
    settings = several(url, *(replace(EVERY_SECOND, name=name) for name in ("a", "b")))
    daemon = Daemon(settings, None, ["/bin/sh", "-c", HOLDS_THE_TURN])
    daemon.start()
    wait_for(lambda: (tmp_path / "ran").exists() and len((tmp_path / "ran").read_text().splitlines()) > 3)
    daemon.stop()
    daemon.finish(DEADLINE_S)
    assert not (tmp_path / "both").exists()
    assert {*load_starts(tmp_path)} == {"a", "b"}


def test_an_interval_of_several_counts_from_its_own_last_test(url: str, tmp_path: Path):
    """After a restart each is due an interval after its own last test, whatever the others have measured."""
    now = datetime.now(UTC)
    hourly, daily = (ScheduleSettings(name=name, every_s=s) for name, s in (("hourly", 3600), ("daily", 86_400)))
    note_start(tmp_path, "daily", now - timedelta(hours=23))
    note_start(tmp_path, "hourly", now - timedelta(minutes=10))
    slots = upcoming_slots(several(url, hourly, daily), now, 3)
    assert [(slot.schedule, round((slot.at - now) / timedelta(minutes=1))) for slot in slots] == [
        ("hourly", 50),
        ("daily", 60),
        ("hourly", 110),
    ]


def test_a_reload_drops_no_test(url: str, tmp_path: Path):
    """A running test goes on and is stored by itself; the new schedule is kept from then on, a bad one is not."""
    settings = several(url, replace(EVERY_SECOND, name="a"))
    daemon = Daemon(settings, None, ["/bin/sh", "-c", WAITS_FOR_THE_PIPE])
    os.mkfifo(tmp_path / "pipe")
    daemon.start()
    wait_for((tmp_path / "began").exists)
    with pytest.raises(ConfigError):
        daemon.reload(several(url, ScheduleSettings(name="a", cron="61 * * * *")))
    daemon.reload(several(url, ScheduleSettings(name="b", cron="0 0 1 1 *")))
    slot = daemon.next_slot()
    assert slot is not None
    assert (slot.month, slot.day) == (1, 1)
    (tmp_path / "pipe").write_text("end\n")
    daemon.stop()
    daemon.finish(DEADLINE_S)


def test_an_unchanged_schedule_goes_on(url: str):
    """Only what has changed is planned again."""
    often, rare = ScheduleSettings(name="often", cron="*/5 * * * *"), ScheduleSettings(name="rare", cron="0 0 1 1 *")
    daemon = Daemon(several(url, often, rare), None, ["/bin/true"])
    daemon.start()
    before = daemon.next_slot()  # with a random delay
    daemon.reload(several(url, often, replace(rare, cron="0 0 2 1 *")))
    assert daemon.next_slot() == before
    daemon.stop()


def test_a_schedule_has_a_next_slot(start: Callable[..., Daemon]):
    """The page can show when the next test is due."""
    slot = start("exit 0", ScheduleSettings(cron="0 0 1 1 *")).next_slot()
    assert slot is not None
    assert (slot.month, slot.day) == (1, 1)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (ScheduleSettings(cron="61 * * * *"), "schedule.cron: minute: 61 is not from 0 to 59"),
        (
            ScheduleSettings(cron="0 * * * *", timezone="Mars/Olympus"),
            "schedule.timezone: unknown time zone 'Mars/Olympus'",
        ),
    ],
)
def test_a_bad_schedule_is_a_mistake_in_the_configuration(url: str, schedule: ScheduleSettings, says: str):
    """The daemon does not start, and the message names the setting."""
    with pytest.raises(ConfigError) as caught:
        Daemon(Settings(schedule=schedule, database=DatabaseSettings(url)), None)
    assert says in str(caught.value)


def test_a_new_database_is_made_by_a_child(tmp_path: Path):
    """The file is there, with the schema, before this process opened it."""
    file = tmp_path / "deep" / "speedmon.db"
    prepare_database(f"sqlite:///{file}", None)
    assert file.stat().st_size > 0
    assert is_schema_current(f"sqlite:///{file}")


def test_the_database_that_is_made_is_the_one_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`serve --database-url` makes its own, not the one of the configuration."""
    monkeypatch.setenv("SPEEDMON_DATABASE_URL", f"sqlite:///{tmp_path}/configured.db")
    prepare_database(f"sqlite:///{tmp_path}/asked.db", None)
    assert [file.name for file in tmp_path.iterdir()] == ["asked.db"]


def test_a_database_that_takes_long_to_upgrade_is_left_as_it_is(tmp_path: Path):
    """One with more runs than are upgraded in passing: whoever opens it first says what to do."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    with closing(sqlite3.connect(tmp_path / "speedmon.db")) as big:
        big.executescript(MANY_RUNS_OF_0004)
    prepare_database(url, None)
    assert not is_schema_current(url)
    with pytest.raises(StoreError, match="10,000 runs in an older schema: run `speedmon db upgrade`"), open_reader(url):
        pass
