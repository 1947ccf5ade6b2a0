"""Eight processes on one SQLite file: every run is there afterwards, and none fails because the database is locked."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
from example_runs import make_attempt

from monitor.store import maintenance, read, spool
from monitor.store.connection import open_reader
from monitor.store.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

EACH = 12

# As `collect` stores what it measured, and then what earlier runs left in the spool.
KEEP = """
import sys, msgspec, pathlib
from monitor.model import Attempt
from monitor.store.deliver import deliver_attempt
for line in sys.stdin:
    deliver_attempt(msgspec.json.decode(line, type=Attempt), sys.argv[1], pathlib.Path(sys.argv[2]))
"""

# As `import` stores many runs at once.
IMPORT = """
import sys, msgspec
from monitor.model import Attempt
from monitor.store.connection import open_writer
from monitor.store.write import add_attempts
with open_writer(sys.argv[1]) as connection:
    assert add_attempts(connection, (msgspec.json.decode(line, type=Attempt) for line in sys.stdin)) == (12, 0)
"""

# As the page reads while tests run; what it sees only grows, and all of it agrees.
LOOK = """
import sys
from datetime import UTC, datetime, timedelta
from monitor.store import buckets
from monitor.store import read
from monitor.store.connection import open_reader
from monitor.store.tables import SCHEMA_VERSION
seen, window = 0, read.RunFilter(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
while seen < int(sys.argv[2]):
    with open_reader(sys.argv[1]) as connection:
        runs = read.count_runs(connection)
        assert sum(bucket.runs for bucket in buckets.read_buckets(connection, window, zone=UTC)) == runs >= seen
        seen = runs
"""


def start(script: str, *arguments: object, lines: bytes = b"") -> subprocess.Popen[bytes]:
    """Start a process and give it its lines."""
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin
    child.stdin.write(lines)
    child.stdin.close()
    child.stdin = None
    return child


def test_eight_processes_lose_nothing(tmp_path: Path):
    """Seven that store, one by one or at once, of which one drains a spool, and a reader; the file is new to all."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    batches = [[make_attempt(300 * process + 7 * k) for k in range(EACH)] for process in range(8)]
    for left_behind in batches[7]:
        spool.save_attempt(tmp_path / "spool", left_behind)
    texts = [b"".join(msgspec.json.encode(one) + b"\n" for one in batch) for batch in batches[:7]]
    children = [start(KEEP, url, tmp_path / f"spool{k}" if k else tmp_path / "spool", lines=texts[k]) for k in range(5)]
    children += [start(IMPORT, url, lines=text) for text in texts[5:]]
    children.append(start(LOOK, url, 8 * EACH))
    errors = [child.communicate(timeout=600)[1].decode() for child in children]
    assert ([child.returncode for child in children], "".join(errors)) == ([0] * 8, "")
    with open_reader(url) as connection:
        stored = {run.id for run in read.latest_runs(connection, limit=1000)}
    assert stored == {one.run.id for batch in batches for one in batch}
    assert maintenance.check_database(url) == maintenance.Health(SCHEMA_VERSION, 8 * EACH, ())
    assert list(tmp_path.glob("spool*/*")) == []
