"""The migration scripts and the Core tables describe one schema."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from attempts import attempt, failed
from sqlalchemy import MetaData, create_engine, select
from sqlalchemy.pool import NullPool

from monitor.store import read, tables, upgrade
from monitor.store.open import engine_of, open_reader, open_writer
from monitor.store.write import add, columns_of

if TYPE_CHECKING:
    from pathlib import Path

EARLIER = [script.revision for script in upgrade.scripts() if script.revision != tables.SCHEMA_VERSION]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a database that is not there yet."""
    return f"sqlite:///{tmp_path}/speedmon.db"


def statements(file: Path) -> dict[str, list[str]]:
    """Return the words of each table and index as SQLite keeps them, whatever their order: a new column comes last."""
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL").fetchall()
    return {name: sorted(re.findall(r"[^\s,()]+", sql)) for name, sql in rows}


def test_the_constant_is_the_newest_script():
    """The revision that is compared at every start is the head of the scripts, and there is one head."""
    assert [script.revision for script in upgrade.scripts() if script.is_head] == [tables.SCHEMA_VERSION]


def test_revisions_compare_as_text():
    """Each script's revision is a number of four digits that is greater than the one before."""
    for script in upgrade.scripts():
        assert script.revision.isdigit()
        assert len(script.revision) == 4
        assert script.down_revision is None or script.down_revision < script.revision


def test_the_scripts_make_the_core_tables(url: str):
    """Alembic finds no difference between an upgraded database and the metadata."""
    upgrade.upgrade(url)
    with engine_of(url, writes=False).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []


def test_the_scripts_make_every_constraint(url: str, tmp_path: Path):
    """The SQL of an upgraded database, checks and names included, is that of the metadata."""
    upgrade.upgrade(url)
    made = create_engine(f"sqlite:///{tmp_path}/core.db", poolclass=NullPool)
    tables.metadata.create_all(made)
    upgraded = statements(tmp_path / "speedmon.db")
    del upgraded["alembic_version"]
    assert upgraded == statements(tmp_path / "core.db")


def test_an_upgrade_tells_what_was_there_before(url: str):
    """The first upgrade finds nothing, the second one nothing to do."""
    assert (upgrade.upgrade(url), upgrade.upgrade(url)) == (None, tables.SCHEMA_VERSION)


def test_an_upgrade_keeps_the_runs(url: str):
    """Upgrading a database that is current changes none of its rows."""
    with open_writer(url) as connection:
        add(connection, attempt())
    upgrade.upgrade(url)
    with open_reader(url) as connection:
        assert read.count(connection) == 1


@pytest.mark.parametrize("revision", EARLIER)
def test_an_upgrade_keeps_what_every_earlier_version_stored(url: str, revision: str):
    """A run and its raw output, stored by any earlier schema, are there after the upgrade with all that was in them."""
    stored = failed()
    with engine_of(url, writes=True).begin() as connection:
        upgrade.run_scripts(connection, revision)
        old = MetaData()
        old.reflect(connection)
        row = {name: value for name, value in columns_of(stored).items() if name in old.tables["runs"].c}
        connection.execute(old.tables["runs"].insert().values(row))
        connection.execute(old.tables["raw_output"].insert().values(run_pk=1, stdout="out", stderr="err"))
    upgrade.upgrade(url)
    with open_reader(url) as connection:
        assert read.latest(connection, limit=2) == [stored.run]
        assert connection.execute(select(tables.raw_output)).all() == [(1, "out", "err")]


def test_a_script_that_fails_leaves_nothing(url: str, tmp_path: Path):
    """Scripts run in one transaction: an error in the middle takes all of it back."""
    with pytest.raises(ZeroDivisionError):
        run_scripts_and_fail(url)
    assert statements(tmp_path / "speedmon.db") == {}


def run_scripts_and_fail(url: str) -> None:
    """Run every script, then fail before the commit."""
    with engine_of(url, writes=True).begin() as connection:
        upgrade.run_scripts(connection)
        raise ZeroDivisionError
