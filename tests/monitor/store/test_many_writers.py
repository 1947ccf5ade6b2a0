"""Eight processes on one SQLite file: every run is there afterwards, whichever of them waits too long for the lock."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
from example_runs import make_attempt

from monitor.store import maintenance, read, spool
from monitor.store.connection import open_reader
from monitor.store.deliver import drain_spool
from monitor.store.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

EACH = 12

# As `collect` stores what it measured, and then what earlier runs left in the spool. A disk may be so slow that others
# hold the lock for longer than anybody waits: then the run stays in the spool, and the next one stores it.
KEEP = """
import sys, msgspec, pathlib
from monitor.errors import StoreBusyError
from monitor.model import Attempt
from monitor.store.deliver import deliver_attempt
for line in sys.stdin:
    try:
        deliver_attempt(msgspec.json.decode(line, type=Attempt), sys.argv[1], pathlib.Path(sys.argv[2]))
    except StoreBusyError:
        pass
"""

# As `import` stores many runs at once; whoever reads that the lock is held tries again.
IMPORT = """
import sys, msgspec
from monitor.errors import StoreBusyError
from monitor.model import Attempt
from monitor.store.connection import open_writer
from monitor.store.write import add_attempts
attempts = [msgspec.json.decode(line, type=Attempt) for line in sys.stdin]
while attempts:
    try:
        with open_writer(sys.argv[1]) as connection:
            assert add_attempts(connection, attempts) == (12, 0)
        attempts = []
    except StoreBusyError:
        pass
"""

# As the page reads while tests run, until its input ends: what it sees only grows, and all of it agrees.
LOOK = """
import select, sys
from datetime import UTC, datetime
from monitor.errors import StoreBusyError
from monitor.store import buckets, read
from monitor.store.connection import open_reader
runs, window = 0, read.RunFilter(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        with open_reader(sys.argv[1]) as connection:
            earlier, runs = runs, read.count_runs(connection)
            assert sum(bucket.runs for bucket in buckets.read_buckets(connection, window, zone=UTC)) == runs >= earlier
    except StoreBusyError:
        pass
"""


def start(script: str, *arguments: object, lines: bytes | None = None) -> subprocess.Popen[bytes]:
    """Start a process and give it its lines; without lines its input stays open."""
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    if lines is not None:
        assert child.stdin
        child.stdin.write(lines)
        child.stdin.close()
        child.stdin = None
    return child


def end(child: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Close a process's input, wait until it ends, and return its exit code and what it wrote to stderr."""
    errors = child.communicate(timeout=600)[1]
    return child.returncode, errors.decode()


def test_eight_processes_lose_nothing(tmp_path: Path):
    """Seven that store, one by one or at once, of which one drains a spool, and a reader; the file is new to all."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    batches = [[make_attempt(300 * process + 7 * k) for k in range(EACH)] for process in range(8)]
    spools = [tmp_path / f"spool{k}" for k in range(5)]
    for left_behind in batches[7]:
        spool.save_attempt(spools[0], left_behind)
    texts = [b"".join(msgspec.json.encode(one) + b"\n" for one in batch) for batch in batches[:7]]
    reader = start(LOOK, url)
    writers = [start(KEEP, url, directory, lines=text) for directory, text in zip(spools, texts[:5], strict=True)]
    writers += [start(IMPORT, url, lines=text) for text in texts[5:]]
    ended = [end(child) for child in (*writers, reader)]
    assert [code for code, _ in ended] == [0] * 8, ended
    for directory in spools:
        drain_spool(url, directory)
        drain_spool(url, spool.open_spool(directory, url).folder)
    with open_reader(url) as connection:
        stored = {run.id for run in read.latest_runs(connection, limit=1000)}
    assert stored == {one.run.id for batch in batches for one in batch}
    assert maintenance.check_database(url) == maintenance.Health(SCHEMA_VERSION, 8 * EACH, ())
    assert [file for file in tmp_path.glob("spool*/**/*") if file.is_file() and file.name != spool.NAME_FILE] == []
