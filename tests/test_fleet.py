"""Forwarding to a real PostgreSQL ends with the same rows on both sides, whenever it is cut off."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from attempts import START, attempt, failed
from msgspec import structs
from sqlalchemy import Engine, delete, event, select

from monitor.errors import ConfigError, ProbeClashError, StoreUnreachableError
from monitor.fleet import backoff
from monitor.fleet.after import forward
from monitor.fleet.push import Pushed, adopt, push
from monitor.model import Attempt, Trace
from monitor.settings import Database, Fleet, Probe, Settings
from monitor.store import changes, days, outbox, probes, tables
from monitor.store.open import open_reader, open_writer
from monitor.store.write import add_many
from netns.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cluster import Cluster

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FAR = timedelta(days=4000)


@pytest.fixture
def probe(tmp_path: Path, cluster: Cluster) -> Settings:
    """Return the settings of a probe with a database of its own, and a fleet that has nothing yet."""
    return settings_of(tmp_path / "home.db", cluster.store())


def settings_of(file: Path, fleet: str, **changes: Any) -> Settings:
    """Return the settings of a probe that keeps its runs in a file."""
    return Settings(probe=Probe("home"), database=Database(f"sqlite:///{file}"), fleet=Fleet(fleet, **changes))


def store(settings: Settings, *attempts: Attempt) -> None:
    """Store attempts at the probe."""
    with open_writer(settings.database.url) as connection:
        add_many(connection, attempts)


def pushed(settings: Settings, most: int = 1000) -> Pushed:
    """Forward at most so many batches."""
    left = iter(range(most))
    return push(settings, lambda: NOW, lambda _done: next(left, None) is not None)


def all_of(url: str) -> tuple[Any, ...]:
    """Return all that a store tells, in the order of its rows, whatever their numbers."""
    rollup = select(tables.probes.c.name, *list(tables.rollups.c)[1:]).join_from(tables.rollups, tables.probes)
    with open_reader(url) as connection:
        assert days.wrong(connection) == 0
        attempts = outbox.batch(connection, 0, 10_000, raw=True).attempts
        events = sorted(map(str, changes.of_window(connection, START - FAR, START + FAR)))
        return attempts, events, sorted(map(tuple, connection.execute(rollup)))


def assert_same(settings: Settings) -> None:
    """Both sides have the same runs in the same order, and what belongs to them and follows from them."""
    assert all_of(settings.fleet.database_url) == all_of(settings.database.url)


def some(start: int, count: int = 3) -> list[Attempt]:
    """Return runs of every sort, from so many hours after START, the ISP another with each."""
    traced = dataclasses.replace(attempt(60 * start), trace=Trace(250, ((1, 2, 3, 4),)))
    looked = dataclasses.replace(failed(60 * start + 1), findings=Findings(addresses=("192.0.2.1",)))
    return [traced, looked, *(attempt(60 * start + 2 + k, isp=f"ISP {start + k}") for k in range(count - 2))]


def test_what_was_forwarded_is_the_same_there(probe: Settings):
    """Runs with output, findings and trace, events and roll-ups: the fleet tells what the probe does."""
    store(probe, *some(0, 30), attempt(-60 * 24 * 400), *some(900, 5))
    assert pushed(probe) == Pushed(sent=36, known=0, waiting=0)
    assert_same(probe)
    assert pushed(probe) == Pushed()


def test_output_stays_here_where_it_is_told_to(tmp_path: Path, cluster: Cluster):
    """With fleet.raw off the fleet gets no word of an engine."""
    probe = settings_of(tmp_path / "home.db", cluster.store(), raw=False)
    store(probe, attempt())
    pushed(probe)
    with open_reader(probe.fleet.database_url) as connection:
        assert connection.execute(select(tables.raw_output)).all() == []


def test_a_nul_in_the_words_of_an_engine_is_forwarded(probe: Settings):
    """PostgreSQL's texts cannot hold one, so a sign for what cannot be shown stands in."""
    store(probe, attempt(isp="A\0B"))
    pushed(probe)
    assert all_of(probe.fleet.database_url)[0][0].run.isp == "A\N{REPLACEMENT CHARACTER}B"


@contextmanager
def at_step(number: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Do something before the so-and-so-many-th change or commit of a push, here or there; yield the steps.

    A fault before a read is one before the change that follows.
    """
    steps: list[str] = []

    def step(words: str) -> None:
        steps.extend([words] * words.startswith(("INSERT", "UPDATE", "DELETE", "COMMIT")))
        if len(steps) == number and words == steps[-1]:
            act()

    def statement(*arguments: Any) -> None:
        step(arguments[2])

    def commit(_connection: object) -> None:
        step("COMMIT")

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    try:
        yield steps
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)


def cut_connections(url: str) -> None:
    """End every connection to a database from the server's side, and wait until they are gone."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def cut_at(probe: Settings, number: int, act: Callable[[], None]) -> list[str]:
    """Store some runs, forward them with a fault at a step, forward again, compare; return the steps there were."""
    store(probe, *some(number))
    # A connection that is lost between two transactions is not missed.
    with at_step(number, act) as steps, suppress(StoreUnreachableError):
        pushed(probe, most=1)
    pushed(probe)
    assert_same(probe)
    return steps


# psycopg minds a cursor that nobody could close any more.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_connections_that_are_lost_at_any_step_lose_nothing(probe: Settings):
    """Whichever statement or commit the connection is lost before, the next push makes both sides the same."""
    number = 1
    while len(cut_at(probe, number, lambda: cut_connections(probe.fleet.database_url))) >= number:
        number += 1
    assert number > 10


KILLED = """
import os, signal, sys
from pathlib import Path
from test_fleet import at_step, pushed, settings_of
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    child = os.fork()
    if not child:
        with at_step(number, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            pushed(settings_of(Path(sys.argv[1]), sys.argv[2]), most=1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.stdin.readline()
"""


def test_a_forwarder_that_is_killed_at_any_step_loses_nothing(probe: Settings, tmp_path: Path):
    """After kill -9 before any statement or commit, that between commit and acknowledgement too, nothing is amiss."""
    arguments = [str(tmp_path / "home.db"), probe.fleet.database_url, "1", "999"]
    environ = os.environ | {"PYTHONPATH": os.path.dirname(__file__)}  # noqa: PTH120  a text for the environment
    store(probe, *some(0))
    killed = 0
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    ) as forwarder:
        assert forwarder.stdout
        assert forwarder.stdin
        while int(forwarder.stdout.readline()) == -signal.SIGKILL:
            killed += 1
            pushed(probe)
            assert_same(probe)
            store(probe, *some(killed))
            forwarder.stdin.write("\n")
            forwarder.stdin.flush()
        forwarder.kill()
    assert killed > 10
    assert_same(probe)


def test_a_server_that_stops_in_the_middle_loses_nothing(probe: Settings, cluster: Cluster):
    """The server is gone before the commit, without a word; the probe says so, and later forwards all."""
    store(probe, *some(0))
    try:
        with at_step(6, lambda: cluster.stop(signal.SIGQUIT)), pytest.raises(StoreUnreachableError):
            pushed(probe)
        with pytest.raises(StoreUnreachableError, match="does not answer"):
            pushed(probe)
    finally:
        cluster.start()
    with open_reader(probe.database.url) as connection:
        assert (outbox.progress(connection).failures, outbox.waiting(connection).runs) == (2, 3)
    pushed(probe)
    assert_same(probe)


def test_an_acknowledgement_that_was_lost_sends_again_and_doubles_nothing(probe: Settings):
    """What the fleet has is passed over by its id."""
    store(probe, *some(0, 5))
    pushed(probe)
    with open_writer(probe.database.url) as connection:
        connection.execute(delete(tables.forwarding))
    assert pushed(probe) == Pushed(sent=5, known=5, waiting=0)
    assert_same(probe)


def test_a_row_number_that_was_given_twice_loses_no_run(probe: Settings):
    """SQLite gives the number of the deleted last row to the next run, which is forwarded all the same."""
    old, new = attempt(0), attempt(1)
    store(probe, attempt(-5), old)
    pushed(probe)
    with open_writer(probe.database.url) as connection:
        connection.execute(delete(tables.runs).where(tables.runs.c.id == old.run.id))
    store(probe, new)
    assert pushed(probe).known == 1
    assert all_of(probe.fleet.database_url)[0][-1] == new


def test_another_fleet_gets_all(probe: Settings, cluster: Cluster):
    """A fleet that was made anew, or is another one, is sent every run from the first."""
    store(probe, *some(0, 5))
    pushed(probe)
    other = structs.replace(probe, fleet=Fleet(cluster.database()))
    assert pushed(other).sent == 5
    assert_same(other)


def test_batches_grow(probe: Settings):
    """A push that may send two batches sends 10 and 20 runs, so that a slow line gets on as well."""
    store(probe, *(attempt(k) for k in range(40)))
    assert pushed(probe, most=2) == Pushed(sent=30, known=0, waiting=10)


def test_a_name_of_another_installation_is_refused(probe: Settings, tmp_path: Path):
    """Two probes of one name do not mix; the second one is told, until it is said to replace the first."""
    second = settings_of(tmp_path / "other.db", probe.fleet.database_url)
    store(probe, attempt(0))
    store(second, attempt(1))
    pushed(probe)
    with pytest.raises(ProbeClashError, match=r"has a probe 'home' of another .* set probe.name"):
        pushed(second)
    with open_reader(second.fleet.database_url) as connection:
        assert outbox.batch(connection, 0, 9, raw=False).last_pk == 1
    adopt(second)
    assert pushed(second).sent == 1


def test_a_probe_of_its_own_name_joins(probe: Settings, tmp_path: Path):
    """Two installations side by side are two probes."""
    second = settings_of(tmp_path / "other.db", probe.fleet.database_url)
    store(probe, attempt(0))
    store(second, attempt(0, probe="cabin"))
    pushed(probe)
    pushed(second)
    with open_reader(probe.fleet.database_url) as connection:
        assert probes.known(connection) == ["cabin", "home"]


@pytest.mark.parametrize(
    ("database", "fleet", "words"),
    [("sqlite:////tmp/x.db", "", "set fleet.database_url"), ("postgresql://db/a", "postgresql://db/b", "SQLite only")],
)
def test_nothing_to_forward_from_or_to(database: str, fleet: str, words: str):
    """What cannot be is said before anything is asked."""
    with pytest.raises(ConfigError, match=words):
        pushed(Settings(database=Database(database), fleet=Fleet(fleet)))


@pytest.mark.parametrize(("failures", "minutes"), [(0, 0), (1, 1), (2, 2), (5, 16), (7, 60), (100_000, 60)])
def test_pauses_grow_to_an_hour(failures: int, minutes: int):
    """A minute after the first failure, twice as long after each further one."""
    assert backoff.pause(failures) == timedelta(minutes=minutes)


@pytest.mark.parametrize(("passed", "waits"), [(-5, False), (0, True), (119, True), (120, False)])
def test_an_attempt_is_due_after_its_pause(passed: int, waits: bool):
    """Two failures in a row: not before two minutes; at once when the clock was set back."""
    assert bool(backoff.due(2, NOW, NOW + timedelta(seconds=passed))) == waits


def test_after_a_test_its_run_is_forwarded(probe: Settings):
    """A test that was kept is in the fleet as well."""
    one = attempt()
    store(probe, one)
    forward(probe, one.run, limit_s=60)
    assert_same(probe)


def test_nothing_is_forwarded_while_the_line_is_down(probe: Settings):
    """A run that failed for the line's sake waits; so do those before it."""
    store(probe, attempt(0), failed(1))
    forward(probe, failed(1).run, limit_s=60)
    with open_reader(probe.database.url) as connection:
        assert (outbox.waiting(connection).runs, outbox.progress(connection).failures) == (2, 0)


def test_a_failure_is_remembered_and_waited_out(probe: Settings, tmp_path: Path):
    """A second test within the pause does not try again."""
    lost = structs.replace(probe, fleet=Fleet(f"postgresql:///x?host={tmp_path}"))
    store(lost, attempt())
    forward(lost, attempt().run, limit_s=60)
    forward(lost, attempt().run, limit_s=60)
    with open_reader(lost.database.url) as connection:
        found = outbox.progress(connection)
    assert found.failures == 1
    assert "does not answer" in str(found.error)


@pytest.fixture
def two(probe: Settings) -> dict[str, str]:
    """Return the environment of somebody who reads, beside a fleet with a run of each of two probes an hour ago."""
    hour_ago = (datetime.now(UTC) - START) / timedelta(minutes=1) - 60
    store(probe, attempt(hour_ago), attempt(hour_ago, probe="cabin", isp="Other"), attempt(hour_ago + 1, isp="New"))
    pushed(probe)
    return {"PATH": os.environ["PATH"], "HOME": os.path.dirname(probe.database.url.removeprefix("sqlite:///"))}  # noqa: PTH120  a text for the environment


def called(environ: dict[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    """Run speedmon."""
    command = [sys.executable, "-W", "error", "-c", "from monitor.cli import main; main()", *argv]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("chosen", "found"),
    [((), 3), (("home",), 2), (("cabin",), 1), (("home", "cabin"), 3), (("cabin", "all"), 3)],
)
def test_history_of_one_probe_of_several_or_of_all(
    probe: Settings, two: dict[str, str], chosen: tuple[str, ...], found: int
):
    """--database-url reads the fleet, --probe chooses."""
    options = [word for name in chosen for word in ("--probe", name)]
    told = called(two, "history", "--json", "--database-url", probe.fleet.database_url, *options)
    assert (told.stdout.count('"id":"22774"'), told.stderr) == (found, "")


def test_the_table_tells_probes_apart(probe: Settings, two: dict[str, str]):
    """Where there are several each line says whose it is; where one was chosen none does."""
    fleet = ("--database-url", probe.fleet.database_url)
    assert "Probe" in called(two, "history", *fleet).stdout
    assert "Probe" not in called(two, "history", *fleet, "--probe", "cabin").stdout
    assert "ISP is New" in called(two, "events", *fleet, "--probe", "home").stdout
    assert "Nothing changed" in called(two, "events", *fleet, "--probe", "cabin").stdout


def test_a_probe_that_nobody_knows(probe: Settings, two: dict[str, str]):
    """The line says which there are."""
    for command in ("history", "incidents", "events", "graph", "export"):
        told = called(two, command, "--database-url", probe.fleet.database_url, "--probe", "hom")
        assert (told.returncode, told.stderr) == (
            2,
            "speedmon: there is no probe 'hom' in this database: its probes are cabin, home\n",
        )


def test_the_commands_by_hand(probe: Settings, tmp_path: Path):
    """`status` tells what waits, `push` forwards it."""
    store(probe, attempt())
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SPEEDMON_DATABASE_URL": probe.database.url,
        "SPEEDMON_FLEET__DATABASE_URL": probe.fleet.database_url,
    }
    assert (
        "waiting       1 runs, the oldest started at 2026-11-23T13:17:03Z" in called(environ, "fleet", "status").stdout
    )
    assert called(environ, "fleet", "push").stdout == "forwarded 1 runs; 0 wait\n"
    assert '"waiting": 0' in called(environ, "fleet", "status", "--json").stdout
