"""Files that the programs themselves wrote, see tests/data."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from import_helpers import CONTEXT, run
from places import DATA

from monitor.importers import importer
from monitor.importers.base import ImportedRun
from monitor.model import Status

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = DATA / "speedtest-cli" / "written"


@pytest.mark.parametrize("ending", [".json", "_comma.csv", "_semicolon.csv"])
@pytest.mark.parametrize("version", ["1.0.0", "1.0.7", "2.0.2", "2.1.3"])
def test_speedtest_cli_of_four_versions(version: str, ending: str):
    """The same result, in UTC whether its time has a Z or not."""
    imported = run((WRITTEN / f"{version}{ending}").read_bytes().decode())
    assert imported.started_at == datetime(2018, 7, 1, 18, 42, 3, tzinfo=UTC)
    assert (imported.download_bps, imported.upload_bps, imported.latency_ms) == (5_888_372, 5_121_314, 48.377)
    server = imported.server
    assert server is not None
    assert (server.id, server.name, server.location) == ("90602", "Example Hosting, Ltd", "Northtown")
    assert imported.external_ip == (None if version < "2" else "192.0.2.7")


def test_what_sequelize_writes_for_myspeed(tmp_path: Path):
    """Times have milliseconds and an offset; -1 is a failure."""
    file = tmp_path / "storage.db"
    statements = json.loads((DATA / "myspeed" / "sequelize_6_statements.json").read_text())
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement, values in statements:
            connection.execute(statement, {name.removeprefix("$"): value for name, value in dict(values or {}).items()})
    with importer.open_source(file, CONTEXT) as source:
        runs = [record.attempt.run for record in source.records if isinstance(record, ImportedRun)]
    assert [(each.status, each.download_bps, each.finished_at) for each in runs] == [
        (Status.OK, 93_250_000, datetime(2023, 6, 1, 10, 0, 25, tzinfo=UTC)),
        (Status.FAILED, None, datetime(2023, 6, 1, 11, 0, 25, tzinfo=UTC)),
        (Status.OK, 91_000_000, datetime(2023, 10, 29, 1, 30, tzinfo=UTC)),
    ]
    assert runs[1].failure is not None
    assert runs[1].failure.message == "Network unreachable"
