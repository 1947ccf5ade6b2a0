"""What the idle daemon holds in memory, judged by what it imported; `benchmarks/idle.py` has figures."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest
from serve_process import DEADLINE_S, SPEEDMON, serving

from monitor.store import connection
from monitor.store.connection import get_engine, run_migrations
from monitor.store.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path


# Runs the program as it is, and prints as JSON at its end what it imported.
PRINTS_ITS_IMPORTS = f"""
import atexit, json, runpy, sys
atexit.register(lambda: print(json.dumps(list(sys.modules))))
runpy.run_path({str(SPEEDMON)!r}, run_name="__main__")
"""

# The daemon needs none of these to test, to serve the page and its picture, and to answer for the API. matplotlib alone
# would double it.
FOR_OTHERS = {
    "PIL",
    "alembic",
    "dns",
    "matplotlib",
    "migrations",
    "monitor.report",
    "netns.kernel.changes",
    "numpy",
    "psycopg",
    "pyarrow",
    "pyroute2",
    "ruptures",
    "scipy",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.orm",
    "uniplot",
}

API = (
    "openapi.json",
    "healthz",
    "badge.svg",
    *(f"api/v1/{name}" for name in ("runs", "stats", "buckets", "incidents", "servers", "usage", "probes", "progress")),
    "api/v1/published",
)

PAGES = ("", "graph.png", "graph.svg", "chart.css", *API)

REVISIONS = [script.revision for script in connection.migration_scripts()]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of an installation of its own, whose next test is a year away."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "CACHE_DIRECTORY": str(tmp_path / "cache"),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/speedmon.db",
        "SPEEDMON_SCHEDULE__CRON": "0 0 1 1 *",
        "SPEEDMON_WEB__PORT": "0",
    }


def imported(environ: dict[str, str]) -> set[str]:
    """Return what the daemon has imported when it has served each of its pages and the API."""
    with serving(environ, program=[sys.executable, "-c", PRINTS_ITS_IMPORTS]) as (process, url):
        assert {httpx.get(url + page, timeout=DEADLINE_S).status_code for page in PAGES} == {200}
        process.terminate()
        stdout, _ = process.communicate(timeout=DEADLINE_S)
    return set(json.loads(stdout))


def make(environ: dict[str, str], revision: str) -> None:
    """Make the database as a release of that revision did."""
    with get_engine(environ["SPEEDMON_DATABASE_URL"], writes=True).begin() as connection:
        run_migrations(connection, revision)


def test_a_new_daemon_imports_only_what_it_serves_with(environ: dict[str, str]):
    """The database is made, the schedule runs and all is served; what else that needs is imported by children."""
    modules = imported(environ)
    assert {"apscheduler", "fastapi", "sqlalchemy"} < modules
    assert not modules & FOR_OTHERS


def test_a_daemon_that_starts_on_an_older_schema_imports_no_more(environ: dict[str, str], tmp_path: Path):
    """A child upgrades the schema, so the daemon does not import what that needs."""
    make(environ, REVISIONS[1])
    assert not imported(environ) & FOR_OTHERS
    with closing(sqlite3.connect(tmp_path / "speedmon.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(SCHEMA_VERSION,)]
