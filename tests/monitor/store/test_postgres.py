"""What PostgreSQL alone does: partitions by month, and its errors in one line."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from example_runs import make_attempt
from sqlalchemy import select

from monitor.errors import StoreError, StoreUnreachableError
from monitor.store import lookups, read, tables
from monitor.store.connection import get_engine, open_reader, open_writer, upgrade_schema
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from pathlib import Path

    from postgres_cluster import Cluster

MONTH_MIN = 60 * 24 * 31


@pytest.fixture
def url(cluster: Cluster) -> str:
    """Return the URL of an empty store."""
    return cluster.store()


def partitions(url: str) -> list[str]:
    """Return the names of the partitions of the runs."""
    with open_reader(url) as connection:
        names = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'runs'::regclass ORDER BY 1"
        return list(connection.exec_driver_sql(names).scalars())


def test_a_month_gets_its_partition_and_so_does_the_next(url: str):
    """Runs of old months find room as well, and that of the month to come is there before it is needed."""
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt())
        add_attempt(connection, make_attempt(-24 * MONTH_MIN))
    assert partitions(url) == ["runs_202411", "runs_202412", "runs_202611", "runs_202612"]


def test_a_new_month_waits_for_no_reader(url: str):
    """A partition is made while somebody reads, and who reads sees the moment of before."""
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt())
    with open_reader(url) as connection:
        before = read.count_runs(connection)
        with open_writer(url) as writer:
            add_attempt(writer, make_attempt(3 * MONTH_MIN))
        assert read.count_runs(connection) == before


def test_processes_that_make_one_partition_at_once(url: str):
    """Probes that begin a month together make it once."""

    def store(name: str) -> None:
        with open_writer(url) as connection:
            add_attempt(connection, make_attempt(probe=name))

    threads = [threading.Thread(target=store, args=(f"probe {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_reader(url) as connection:
        assert read.count_runs(connection) == 4
        assert len(lookups.probe_names(connection)) == 4


def test_the_scripts_make_the_core_tables_but_for_what_partitions_need(url: str):
    """Alembic finds no difference, apart from the keys and indexes of the runs and what would refer to their rows."""
    with get_engine(url, writes=False).connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    assert not [change for change in differences if change[0] not in EXPECTED]


EXPECTED = {"add_fk", "add_constraint", "remove_constraint", "add_index", "remove_index", "remove_table"}


def test_what_belongs_to_a_run_goes_with_it(url: str):
    """A trigger stands in for the foreign keys that a partitioned table cannot have."""
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(0))
        add_attempt(connection, make_attempt(1, isp="Other"))
        connection.execute(tables.runs.delete())
        assert [connection.execute(select(table)).all() for table in (tables.raw_output, tables.events)] == [[], []]


def test_a_server_that_is_not_there_is_reported_in_one_line(tmp_path: Path):
    """The line names the database without its password, and a retry makes sense."""
    with pytest.raises(StoreUnreachableError) as caught, open_reader(f"postgresql://joe:secret@/x?host={tmp_path}"):
        pass
    assert caught.value.retryable
    assert "does not answer" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_is_not_there(cluster: Cluster):
    """The server's own words say which."""
    with pytest.raises(StoreError, match='database "nobody" does not exist'):
        upgrade_schema(f"postgresql://speedmon@/nobody?host={cluster.folder}")
