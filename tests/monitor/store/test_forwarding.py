"""Forwarding to a real PostgreSQL ends with the same rows on both sides."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt, make_failed_attempt
from fleet import NOW, assert_same, example_attempts, probe_settings, push_batches, read_everything, store_attempts
from msgspec import structs
from sqlalchemy import delete, select

from monitor.config.settings import DatabaseSettings, FleetSettings, Settings
from monitor.errors import ConfigError, ProbeClashError
from monitor.store import forwarding, lookups, tables
from monitor.store.connection import open_reader, open_writer
from monitor.store.forwarding import PushResult, adopt_probe_names, forward_after_test

if TYPE_CHECKING:
    from pathlib import Path

    from postgres_cluster import Cluster


def test_what_was_forwarded_is_the_same_there(probe: Settings):
    """Runs with output, findings and trace, events and roll-ups are the same in the fleet and at the probe."""
    store_attempts(probe, *example_attempts(0, 30), make_attempt(-60 * 24 * 400), *example_attempts(900, 5))
    assert push_batches(probe) == PushResult(sent=36, known=0, waiting=0)
    assert_same(probe)
    assert push_batches(probe) == PushResult()


def test_output_is_not_forwarded_with_fleet_raw_off(tmp_path: Path, cluster: Cluster):
    """With fleet.raw off the fleet gets no word of an engine."""
    probe = probe_settings(tmp_path / "home.db", cluster.store(), raw=False)
    store_attempts(probe, make_attempt())
    push_batches(probe)
    with open_reader(probe.fleet.database_url) as connection:
        assert connection.execute(select(tables.raw_output)).all() == []


def test_a_nul_in_the_output_of_an_engine_is_forwarded(probe: Settings):
    """PostgreSQL's texts cannot hold one, so a sign for what cannot be shown stands in."""
    store_attempts(probe, make_attempt(isp="A\0B"))
    push_batches(probe)
    assert read_everything(probe.fleet.database_url)[0][0].run.isp == "A\N{REPLACEMENT CHARACTER}B"


def test_an_acknowledgement_that_was_lost_sends_again_and_doubles_nothing(probe: Settings):
    """What the fleet has is passed over by its id."""
    store_attempts(probe, *example_attempts(0, 5))
    push_batches(probe)
    with open_writer(probe.database.url) as connection:
        connection.execute(delete(tables.forwarding))
    assert push_batches(probe) == PushResult(sent=5, known=5, waiting=0)
    assert_same(probe)


def test_a_row_number_that_was_given_twice_loses_no_run(probe: Settings):
    """SQLite gives the number of the deleted last row to the next run, which is forwarded all the same."""
    old, new = make_attempt(0), make_attempt(1)
    store_attempts(probe, make_attempt(-5), old)
    push_batches(probe)
    with open_writer(probe.database.url) as connection:
        connection.execute(delete(tables.runs).where(tables.runs.c.id == old.run.id))
    store_attempts(probe, new)
    assert push_batches(probe).known == 1
    assert read_everything(probe.fleet.database_url)[0][-1] == new


def test_another_fleet_gets_all(probe: Settings, cluster: Cluster):
    """A fleet whose database was created again, or another fleet, receives every run from the first."""
    store_attempts(probe, *example_attempts(0, 5))
    push_batches(probe)
    other = structs.replace(probe, fleet=FleetSettings(cluster.database()))
    assert push_batches(other).sent == 5
    assert_same(other)


def test_batches_grow(probe: Settings):
    """A push that may send two batches sends 10 and 20 runs, so that a slow line gets on as well."""
    store_attempts(probe, *(make_attempt(k) for k in range(40)))
    assert push_batches(probe, batches=2) == PushResult(sent=30, known=0, waiting=10)


def test_a_name_of_another_installation_is_refused(probe: Settings, tmp_path: Path):
    """Two probes of one name do not mix; the second gets an error until it adopts the name."""
    second = probe_settings(tmp_path / "other.db", probe.fleet.database_url)
    store_attempts(probe, make_attempt(0))
    store_attempts(second, make_attempt(1))
    push_batches(probe)
    with pytest.raises(ProbeClashError, match=r"has a probe 'home' of another .* set probe.name"):
        push_batches(second)
    with open_reader(second.fleet.database_url) as connection:
        assert forwarding.read_batch(connection, 0, 9, raw=False).last_pk == 1
    adopt_probe_names(second)
    assert push_batches(second).sent == 1


def test_a_probe_of_its_own_name_joins(probe: Settings, tmp_path: Path):
    """Two installations side by side are two probes."""
    second = probe_settings(tmp_path / "other.db", probe.fleet.database_url)
    store_attempts(probe, make_attempt(0))
    store_attempts(second, make_attempt(0, probe="cabin"))
    push_batches(probe)
    push_batches(second)
    with open_reader(probe.fleet.database_url) as connection:
        assert lookups.probe_names(connection) == ["cabin", "home"]


@pytest.mark.parametrize(
    ("database", "fleet", "words"),
    [("sqlite:////tmp/x.db", "", "set fleet.database_url"), ("postgresql://db/a", "postgresql://db/b", "SQLite only")],
)
def test_nothing_to_forward_from_or_to(database: str, fleet: str, words: str):
    """What cannot be is said before anything is asked."""
    with pytest.raises(ConfigError, match=words):
        push_batches(Settings(database=DatabaseSettings(database), fleet=FleetSettings(fleet)))


@pytest.mark.parametrize(("failures", "minutes"), [(0, 0), (1, 1), (2, 2), (5, 16), (7, 60), (100_000, 60)])
def test_pauses_grow_to_an_hour(failures: int, minutes: int):
    """A minute after the first failure, twice as long after each further one."""
    assert forwarding.pause_after_failures(failures) == timedelta(minutes=minutes)


@pytest.mark.parametrize(("passed", "waits"), [(-5, False), (0, True), (119, True), (120, False)])
def test_an_attempt_is_due_after_its_pause(passed: int, waits: bool):
    """Two failures in a row: not before two minutes; at once when the clock was set back."""
    assert bool(forwarding.next_attempt_at(2, NOW, NOW + timedelta(seconds=passed))) == waits


def test_after_a_test_its_run_is_forwarded(probe: Settings):
    """A test that was kept is in the fleet as well."""
    one = make_attempt()
    store_attempts(probe, one)
    forward_after_test(probe, one.run, limit_s=60)
    assert_same(probe)


def test_nothing_is_forwarded_while_the_line_is_down(probe: Settings):
    """A run that failed for the line's sake waits; so do those before it."""
    store_attempts(probe, make_attempt(0), make_failed_attempt(1))
    forward_after_test(probe, make_failed_attempt(1).run, limit_s=60)
    with open_reader(probe.database.url) as connection:
        assert (forwarding.count_waiting(connection).runs, forwarding.read_progress(connection).failures) == (2, 0)


def test_a_failure_is_remembered_and_waited_out(probe: Settings, tmp_path: Path):
    """A second test within the pause does not try again."""
    lost = structs.replace(probe, fleet=FleetSettings(f"postgresql:///x?host={tmp_path}"))
    store_attempts(lost, make_attempt())
    forward_after_test(lost, make_attempt().run, limit_s=60)
    forward_after_test(lost, make_attempt().run, limit_s=60)
    with open_reader(lost.database.url) as connection:
        progress = forwarding.read_progress(connection)
    assert progress.failures == 1
    assert "does not answer" in str(progress.error)
