"""`speedmon serve` keeps real graphs in a folder, complete at any moment, and reports which it could not make.

One daemon is started for most of it: a test runs at first, one of two pictures cannot be made, the other is read.
"""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from example_runs import make_attempt, make_failed_attempt
from serve_process import DEADLINE_S, SPEEDMON, end_daemon, serving, wait_for

from monitor.store.connection import open_writer
from monitor.store.write import add_attempt
from monitor.system.lock import hold_lock

PNG, END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"

OLD = PNG + END

# On a busy machine a process of the lowest priority gets little of it.
NICED_S = 300


def installation(folder: Path) -> dict[str, str]:
    """Return the environment of an installation with three runs, whose folder is `www`."""
    (folder / "www").mkdir()
    with open_writer(f"sqlite:///{folder}/speedmon.db") as connection:
        for one in (make_attempt(0), make_failed_attempt(15), make_attempt(30)):
            add_attempt(connection, one)
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "STATE_DIRECTORY": str(folder / "state"),
        "CACHE_DIRECTORY": str(folder / "cache"),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{folder}/speedmon.db",
        "SPEEDMON_COLLECT__LOCK_FILE": str(folder / "lock"),
        "SPEEDMON_PUBLISH__DIRECTORY": str(folder / "www"),
        "SPEEDMON_WEB__PORT": "0",
    }


def published(url: str) -> list[dict[str, Any]]:
    """Return what the API reports of the files."""
    files: list[dict[str, Any]] = httpx.get(f"{url}api/v1/published").json()
    return files


@dataclass
class Observed:
    """What a daemon did: its files and what it reported of them, and how it ended."""

    folder: Path
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    page: str
    maps: str
    read: set[bytes]
    code: int
    stderr: str


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """Return what a daemon did from a running test to the last graph."""
    place = tmp_path_factory.mktemp("published")
    environ, folder = installation(place), place / "www"
    (folder / "latest-1d.png").mkdir()
    (folder / "latest-30d.png").write_bytes(OLD)
    read, done = set(), threading.Event()

    def keep_reading() -> None:
        while not done.wait(0.002):
            read.add((folder / "latest-30d.png").read_bytes())

    reader = threading.Thread(target=keep_reading)
    reader.start()
    test = ExitStack()
    test.enter_context(hold_lock(environ["SPEEDMON_COLLECT__LOCK_FILE"]))
    with test, serving(environ, "--no-schedule") as (process, url):
        before = published(url)
        test.close()
        wait_for(lambda: all(one["tried_at"] for one in published(url)), NICED_S)
        after, page = published(url), httpx.get(url).text
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        code, _, stderr = end_daemon(process)
    done.set()
    reader.join()
    return Observed(folder, before, after, page, maps, read, code, stderr)


def test_nothing_is_drawn_while_a_test_runs(observed: Observed):
    """While a test holds the lock no graph is tried; when the test has ended they are drawn."""
    assert [one["tried_at"] for one in observed.before] == [None, None]
    assert [one["what"] for one in observed.after] == ["throughput, 1 day", "throughput, 30 days"]
    assert observed.after[1]["updated_at"]


def test_a_graph_that_fails_is_reported_and_the_next_one_is_made(observed: Observed):
    """The log has one line for it, the API its error, the page a link to that; the daemon goes on and ends in order."""
    day, month = observed.after
    assert (day["updated_at"], month["error"]) == (None, None)
    assert f"{observed.folder}/latest-1d.png: cannot be written: Is a directory" in day["error"]
    assert '<a href="/api/v1/published">1 of 2 published files failed</a>' in observed.page
    assert observed.stderr == f"speedmon: publish: throughput, 1 day: {day['error']}\n"
    assert observed.code == 0


def test_a_reader_never_gets_half_a_graph(observed: Observed):
    """Whoever reads while a new graph replaces the old one gets one or the other, complete."""
    new = (observed.folder / "latest-30d.png").read_bytes()
    assert observed.read | {new} == {OLD, new}
    assert new.startswith(PNG)
    assert new.endswith(END)
    assert len(new) > len(OLD)


def test_the_folder_has_fixed_names_that_all_can_read(observed: Observed):
    """There is nothing else in the folder, and a web server's user can read the files."""
    assert sorted(file.name for file in observed.folder.iterdir()) == ["latest-1d.png", "latest-30d.png"]
    assert (observed.folder / "latest-30d.png").stat().st_mode & 0o777 == 0o644


def test_the_daemon_draws_nothing_itself(observed: Observed):
    """Matplotlib and numpy are loaded by its children only."""
    assert "sqlite3" in observed.maps
    assert "matplotlib" not in observed.maps
    assert "numpy" not in observed.maps


def test_the_shutdown_does_not_wait_for_a_graph(tmp_path: Path):
    """A daemon that is waiting for a test, or drawing, ends within three seconds of the signal."""
    environ = installation(tmp_path)
    with hold_lock(environ["SPEEDMON_COLLECT__LOCK_FILE"]), serving(environ, "--no-schedule") as (process, _):
        code, seconds, stderr = end_daemon(process)
    assert (code, stderr) == (0, "")
    assert seconds < 3


def test_another_database_is_only_read(tmp_path: Path):
    """Graphs of a fleet's database do not overwrite those of this probe."""
    environ = installation(tmp_path)
    url = environ.pop("SPEEDMON_DATABASE_URL")
    with serving(environ, "--database-url", url) as (_, page):
        assert published(page) == []


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (
            "DIRECTORY",
            "/nowhere/www",
            "speedmon: publish.directory: /nowhere/www: No such file or directory: create it, writable",
        ),
        ("DIRECTORY", "www", "speedmon: SPEEDMON_PUBLISH__DIRECTORY: "),
        ("KINDS", "speed", "speedmon: publish.kinds: there is no graph 'speed': choose one of throughput, "),
    ],
)
def test_a_mistake_keeps_the_daemon_from_starting(tmp_path: Path, key: str, value: str, says: str):
    """Exit 2 and one line that names the key, before anything is served."""
    code, stdout, stderr = refused(installation(tmp_path) | {f"SPEEDMON_PUBLISH__{key}": value})
    assert (code, stdout, stderr.count("\n")) == (2, "", 1)
    assert stderr.startswith(says)


def test_a_folder_that_cannot_be_written_is_a_mistake(tmp_path: Path):
    """A folder that is there but cannot be written, even by root, keeps the daemon from starting as well."""
    folder = "/proc/sys" if os.geteuid() == 0 else "/etc"
    code, _, stderr = refused(installation(tmp_path) | {"SPEEDMON_PUBLISH__DIRECTORY": folder})
    assert code == 2
    assert f"publish.directory: {folder}: cannot be written: give it to the user" in stderr


def refused(environ: dict[str, str]) -> tuple[int, str, str]:
    """Return exit code, output and errors of a daemon that does not start."""
    command = [SPEEDMON, "serve", "--no-schedule"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return done.returncode, done.stdout, done.stderr
