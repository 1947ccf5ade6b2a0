"""The migration scripts and the Core tables describe one schema."""

from __future__ import annotations

import dataclasses
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from example_runs import START, make_attempt, make_failed_attempt
from sqlalchemy import MetaData, create_engine, func, select
from sqlalchemy.pool import NullPool

from monitor.analysis.availability import find_outage_spans
from monitor.analysis.outages import answered_over_line, find_incidents
from monitor.errors import StoreError
from monitor.model import Attempt, Failure, FailureKind, NetworkPath, RawOutput, Remark, Scope, Server, Trace
from monitor.store import connection, maintenance, packed_days, postgres, read, rollups, tables
from monitor.store.columnar import read_columns
from monitor.store.connection import get_engine, open_reader, open_writer, run_migrations, upgrade_schema
from monitor.store.deliver import deliver_attempt
from monitor.store.lookups import RowNumbers
from monitor.store.write import add_attempt, to_row
from monitor.system.installation import version_line
from netns.probe.findings import Findings, ProbeAnswer, to_json

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

EARLIER = [script.revision for script in connection.migration_scripts() if script.revision != tables.SCHEMA_VERSION]


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
    assert [script.revision for script in connection.migration_scripts() if script.is_head] == [tables.SCHEMA_VERSION]


def test_revisions_compare_as_text():
    """Each script's revision is a number of four digits that is greater than the one before."""
    for script in connection.migration_scripts():
        assert script.revision.isdigit()
        assert len(script.revision) == 4
        assert script.down_revision is None or script.down_revision < script.revision


def test_the_scripts_make_the_core_tables(url: str):
    """Alembic finds no difference between an upgraded database and the metadata."""
    upgrade_schema(url)
    with get_engine(url, writes=False).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []


def test_the_scripts_make_every_constraint(url: str, tmp_path: Path):
    """The SQL of an upgraded database, checks and names included, is that of the metadata."""
    connection.upgrade_schema(url)
    made = create_engine(f"sqlite:///{tmp_path}/core.db", poolclass=NullPool)
    tables.metadata.create_all(made)
    upgraded = statements(tmp_path / "speedmon.db")
    del upgraded["alembic_version"]
    assert upgraded == statements(tmp_path / "core.db")


def test_an_upgrade_returns_the_version_before(url: str):
    """The first upgrade finds nothing, the second one nothing to do."""
    assert (connection.upgrade_schema(url), connection.upgrade_schema(url)) == (None, tables.SCHEMA_VERSION)


def test_an_upgrade_records_its_program(url: str):
    """It leaves the program's version beside the schema; one that changes nothing leaves nothing."""
    for _ in range(2):
        connection.upgrade_schema(url)
    history = tables.schema_history
    with open_reader(url) as opened:
        rows = opened.execute(select(history.c.revision, history.c.program)).fetchall()
    assert rows == [(tables.SCHEMA_VERSION, version_line())]


def test_an_upgrade_keeps_the_runs(url: str):
    """Upgrading a database that is current changes none of its rows."""
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt())
    upgrade_schema(url)
    with open_reader(url) as connection:
        assert read.count_runs(connection) == 1


def stored_by(url: str, revision: str, attempts: list[Attempt], **changes: object) -> None:
    """Store attempts as a release of that revision did, whose rows said it all in columns of their own."""
    with get_engine(url, writes=True).begin() as connection:
        # Days are packed by the script that made their table.
        run_migrations(connection, min(revision, "0004"))
        old = MetaData()
        old.reflect(connection)
        if revision >= "0003":
            _stored_in_parts(connection, attempts, old)
            run_migrations(connection, revision)
            return
        for pk, one in enumerate(attempts, start=1):
            row = flat(one) | {"pk": pk} | changes
            known = {name: value for name, value in row.items() if name in old.tables["runs"].c}
            connection.execute(old.tables["runs"].insert().values(known))
            raw = {"run_pk": pk, "stdout": one.raw.stdout, "stderr": one.raw.stderr}
            connection.execute(old.tables["raw_output"].insert().values(raw))
            if one.trace and "traces" in old.tables:
                connection.execute(old.tables["traces"].insert().values(run_pk=pk, **tables.encode_trace(one.trace)))
                connection.execute(old.tables["findings"].insert().values(run_pk=pk, document='{"links":["up"]}'))


def _stored_in_parts(connection: Connection, attempts: list[Attempt], old: MetaData) -> None:
    names = RowNumbers(connection)
    if connection.dialect.name == "postgresql" and "identity" in old.tables:  # partitions came with it
        postgres.make_partitions(connection, [int(one.run.started_at.timestamp()) for one in attempts])
    for pk, one in enumerate(attempts, start=1):
        known = {name: value for name, value in to_row(one, names).items() if name in old.tables["runs"].c}
        connection.execute(old.tables["runs"].insert(), known)
        if one.findings:
            document = {"run_pk": pk, "document": to_json(one.findings).decode()}
            connection.execute(old.tables["findings"].insert(), document)
        if one.trace:
            connection.execute(old.tables["traces"].insert(), {"run_pk": pk} | tables.encode_trace(one.trace))
        if one.raw != RawOutput():
            raw = {"run_pk": pk, "output": tables.encode_output(one.raw)}
            connection.execute(old.tables["raw_output"].insert(), raw)
    # The sums of those releases; none could exclude a run.
    connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN excluded TEXT")
    rollups.rebuild_rollups(connection)
    connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN excluded")


def flat(one: Attempt) -> dict[str, object]:
    """Return the columns that a run had in schemas 0001 and 0002."""
    row = dataclasses.asdict(one.run)
    for prefix, part in (("server", row.pop("server")), ("failure", row.pop("failure")), ("plan", one.plan)):
        values = part if isinstance(part, dict) else dataclasses.asdict(part) if part else {}
        row |= {f"{prefix}_{name}": value for name, value in values.items()}
    row |= {name: int(row[name].timestamp()) for name in ("started_at", "finished_at")}
    return row | {"remarks": tables.encode_remarks(one.run.remarks)}


@pytest.mark.parametrize("revision", EARLIER)
def test_an_upgrade_keeps_what_every_earlier_version_stored(either_empty: str, revision: str):
    """Runs with everything stored about them are there after the upgrade, and so are their roll-ups."""
    elsewhere = make_attempt(
        60, isp=None, probe="cabin", server=Server(None, "S", ip="192.0.2.1"), path=NetworkPath.HOST
    )
    silent = dataclasses.replace(make_attempt(120, server=None, healthy=False), raw=RawOutput())
    stored = [
        make_attempt(0),
        make_failed_attempt(5),
        elsewhere,
        silent,
        make_attempt(180, server=Server("", "S", ip="192.0.2.1")),
    ]
    remarks = (Remark("cross_traffic", "much"),) if revision > "0001" else ()
    stored += [make_attempt(2000, healthy=False, remarks=remarks), make_attempt(4000), make_failed_attempt(9000)]
    stored_by(either_empty, revision, stored)
    assert upgrade_schema(either_empty) == revision
    with open_reader(either_empty) as connection:
        assert [read.find_attempt(connection, one.run.id) for one in stored] == stored
        assert [connection.scalar(select(func.count()).select_from(table)) for table in NAMES] == [2, 1, 3]
        assert (rollups.count_mismatches(connection), packed_days.count_mismatches(connection)) == (0, 0)
    with open_writer(either_empty) as connection:
        add_attempt(connection, make_attempt(999))
    assert maintenance.check_database(either_empty).problems == ()


NAMES = (tables.probes, tables.isps, tables.servers)


SILENT = ProbeAnswer("1.1.1.1:443", "ETIMEDOUT")


@pytest.mark.parametrize(
    ("evidence", "answered"),
    [
        ({}, None),
        ({"findings": Findings(hosts=(SILENT, SILENT))}, False),
        ({"findings": Findings(hosts=(SILENT, ProbeAnswer("9.9.9.9:443")))}, True),
        ({"findings": Findings(hosts=(SILENT,), servers=(ProbeAnswer("192.168.1.1"),))}, False),
        ({"findings": Findings(hosts=(SILENT,), servers=(ProbeAnswer("8.8.8.8", "NXDOMAIN"),))}, True),
        ({"trace": Trace(250, ((9_000, 1, 0, 0), (11_000, 1, 0, 0)))}, True),
        ({"trace": Trace(250, ((9_000, 1, 0, 0),))}, None),
    ],
)
def test_an_upgrade_finds_what_came_back_over_the_line(
    either_empty: str, evidence: dict[str, object], answered: bool | None
):
    """By the diagnosis and the trace of a failed run, as today; outages end by it, in streams and in packed days."""
    unknown = Failure(FailureKind.UNKNOWN, Scope.UNKNOWN, None, "?")
    failed = dataclasses.replace(make_failed_attempt(2880, unknown), **evidence)
    stored = [make_attempt(0), make_failed_attempt(1440), failed, make_attempt(4320), make_attempt(5760)]
    stored_by(either_empty, "0005", stored)
    upgrade_schema(either_empty)
    assert answered_over_line(failed.findings, failed.trace) is answered
    with open_reader(either_empty) as connection:
        everything = read.RunFilter(START, START + timedelta(days=9))
        runs = list(read.read_runs(connection, everything))
        assert [run.line_answered for run in runs] == [None, None, answered, None, None]
        assert packed_days.count_mismatches(connection) == 0
        ((begin, end),) = find_outage_spans(read_columns(connection, everything, ()))
    (incident,) = find_incidents(runs)
    assert incident.ended == (failed if answered else stored[3]).run.started_at
    assert (begin, end) == (incident.began.timestamp(), incident.ended.timestamp())


def test_an_upgrade_keeps_traces_findings_and_events(url: str):
    """Rows that refer to a run still do after its table was created again: dropping the old one deletes none."""
    one = dataclasses.replace(make_attempt(), trace=Trace(100, ((1, 2, 3, 4),)))
    stored_by(url, "0002", [one])
    with get_engine(url, writes=True).begin() as connection:
        connection.exec_driver_sql("INSERT INTO events VALUES (4, 7, 'home', 'ip4only', 'isp', 'A', 'B', 1)")
    upgrade_schema(url)
    with open_reader(url) as connection:
        assert read.find_attempt(connection, "").trace == one.trace
        assert connection.execute(select(tables.findings)).all() == [(1, '{"links":["up"]}')]
        assert connection.execute(select(tables.events)).all() == [(4, 7, "home", "ip4only", "isp", "A", "B", 1)]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"status": "failed", "download_bps": 5},
        {"finished_at": 0},
        {"packet_loss_pct": 101.0},
        {"plan_latency_ms": -1.0},
        {"attempt": 0},
        {"failure_kind": "dns", "failure_scope": "line"},
        {"failure_scope": "line"},
    ],
)
def test_an_upgrade_repairs_impossible_values(url: str, nonsense: dict[str, object]):
    """A row that the checks of today refuse is kept; a remark says what was taken out."""
    stored_by(url, "0002", [make_attempt()], **nonsense)
    upgrade_schema(url)
    with open_reader(url) as connection:
        (remark,) = read.latest_runs(connection, limit=1)[0].remarks
    assert remark.kind == "mended"
    name, value = list(nonsense.items())[-1]
    assert f"{name}={value}" in remark.message


def test_a_big_database_is_not_upgraded_in_passing(url: str):
    """A large database waits for `db upgrade`, which any other command names; until then it is not changed."""
    stored_by(url, "0002", [make_attempt(0), make_attempt(1)])
    with pytest.raises(StoreError, match="more than 1 runs in an older schema: run `speedmon db upgrade`"):
        connection.upgrade_schema(url, most=1)
    assert connection.upgrade_schema(url, most=2) == "0002"


MANY = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 10000)
    INSERT INTO runs (id, probe, started_at, finished_at, status, trigger, path, engine)
    SELECT i, 'home', i, i, 'ok', 'cli', 'host', 'ookla' FROM n
"""


def test_what_is_measured_before_a_big_upgrade_waits_for_it(url: str, tmp_path: Path):
    """While a big database is not upgraded a run is kept in a file, and the next run after the upgrade stores it."""
    with get_engine(url, writes=True).begin() as connection:
        run_migrations(connection, "0002")
        connection.exec_driver_sql(MANY)
    with pytest.raises(StoreError, match=r"run `speedmon db upgrade`.*is kept in .*; the next run stores it"):
        deliver_attempt(make_attempt(0), url, tmp_path)
    upgrade_schema(url)
    deliver_attempt(make_attempt(1), url, tmp_path)
    with open_reader(url) as connection:
        assert read.count_runs(connection) == 10_003


def test_a_script_that_fails_leaves_nothing(url: str, tmp_path: Path):
    """Scripts run in one transaction: an error in the middle takes all of it back."""
    with pytest.raises(ZeroDivisionError):
        run_scripts_and_fail(url)
    assert statements(tmp_path / "speedmon.db") == {}


def run_scripts_and_fail(url: str) -> None:
    """Run every script, then fail before the commit."""
    with get_engine(url, writes=True).begin() as connection:
        run_migrations(connection)
        raise ZeroDivisionError
