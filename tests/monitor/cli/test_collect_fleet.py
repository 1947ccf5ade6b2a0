"""`speedmon collect` of a probe in a fleet, as a whole process: its run is kept here first, then in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fleet import read_everything
from installation import Installation, make_installation
from sqlalchemy import update
from waiting import until

from monitor.model import Status
from monitor.store import forwarding as store_forwarding
from monitor.store.connection import open_reader, open_writer
from monitor.store.tables import forwarding

if TYPE_CHECKING:
    from pathlib import Path

    from postgres_cluster import Cluster


@pytest.fixture
def fleet(cluster: Cluster) -> str:
    """Return the URL of a fleet that has nothing yet, its tables least of all."""
    return cluster.database()


@pytest.fixture
def site(tmp_path: Path, fleet: str) -> Installation:
    """Return a site that forwards to the fleet."""
    made = make_installation(tmp_path)
    with (tmp_path / "config.toml").open("a") as config:
        config.write(f'[fleet]\ndatabase_url = "{fleet}"\n')
    return made


def waits(site: Installation) -> bool:
    """Collect silently, with exit code 0; return whether a run is waiting, as one may at first on a slow machine."""
    assert site.finish("-q") == (0, "", "")
    with open_reader(site.url) as connection:
        return store_forwarding.count_waiting(connection).runs > 0


def error(site: Installation) -> str | None:
    """Return what kept runs from being forwarded."""
    with open_reader(site.url) as connection:
        return store_forwarding.read_progress(connection).error


def let_a_minute_pass(site: Installation) -> None:
    """Put the last failure back by the minute for which no collect tries again."""
    with open_writer(site.url) as connection:
        minute = int(store_forwarding.FIRST_PAUSE.total_seconds())
        connection.execute(update(forwarding).values(failed_at=forwarding.c.failed_at - minute))


def test_a_run_is_stored_here_and_there(site: Installation, fleet: str):
    """The first collect of a probe makes the fleet's tables, and both databases have the same run."""
    until(lambda: not waits(site))
    assert site.rows()[0].status is Status.OK
    assert read_everything(fleet) == read_everything(site.url)


def test_while_postgresql_is_down_runs_are_kept_and_wait(site: Installation, fleet: str, cluster: Cluster):
    """A test costs nothing but its forwarding: exit code 0, its row here; a later collect forwards it as well."""
    cluster.stop()
    try:
        until(lambda: waits(site) and error(site))
    finally:
        cluster.start()
    assert "does not answer" in str(error(site))
    kept = site.rows()
    assert {run.status for run in kept} == {Status.OK}
    let_a_minute_pass(site)
    until(lambda: not waits(site))
    assert site.rows()[-len(kept) :] == kept
    assert read_everything(fleet) == read_everything(site.url)
